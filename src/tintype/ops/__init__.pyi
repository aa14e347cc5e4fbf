from .geometry import resize as resize
from .statistics import mean_brightness as mean_brightness
from .statistics import sharpness as sharpness
