from .files import load_bytes as load_bytes
from .image import decode_image as decode_image
from .image import load_image as load_image
from .s3 import load_bytes_from_s3 as load_bytes_from_s3
