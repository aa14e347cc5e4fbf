from .core import Pipeline as Pipeline
from .several_inputs import load_each as load_each
from .several_inputs import unpacked as unpacked
