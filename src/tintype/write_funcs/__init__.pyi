from .any_file import write_file as write_file
from .arrays import write_array as write_array
from .files import copy_file as copy_file
from .files import link_file as link_file
from .files import reuse_file as reuse_file
from .files import symlink_file as symlink_file
from .files import write_bytes as write_bytes
from .image import write_image as write_image
