__all__ = [
    "DescribeImages",
    "PackArrays",
    "SplitDataset",
    "SplitPlan",
    "SplitRule",
    "WriteShards",
    "create_imagenet_style_symlinks",
    "find_leaks",
    "group_train_test_split",
    "plan_split",
    "torch_dataset",
]

from .describe_images import DescribeImages
from .imagenet_symlinks import create_imagenet_style_symlinks
from .pack_arrays import PackArrays
from .split_dataset import SplitDataset
from .splits.arrays import group_train_test_split
from .splits.leaks import find_leaks
from .splits.plan import SplitPlan, SplitRule, plan_split
from .torch_dataset import torch_dataset
from .write_shards import WriteShards
