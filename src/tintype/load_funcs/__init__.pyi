from .files import load_bytes as load_bytes
from .image import load_image as load_image
