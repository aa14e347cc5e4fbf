from .core import Pipeline as Pipeline
from .custom_reporting import CustomReportingPipeline as CustomReportingPipeline
from .one_call import download_images_as_png as download_images_as_png
from .one_call import resize_multiple_files as resize_multiple_files
from .ready_made import download_image_pipeline as download_image_pipeline
from .ready_made import resize_image_pipeline as resize_image_pipeline
from .several_inputs import load_each as load_each
from .several_inputs import unpacked as unpacked
