"""Building and running a preprocessing pipeline: SeqTools' tutorial, step by step, on 400 images.

python preprocessing_pipeline.py
"""

import tempfile
from time import perf_counter

from PIL import Image, ImageOps
from sample_files import save_sample_files  # type: ignore[import-not-found] # the file beside this one

import tintype.sequences as seqtools

folder = tempfile.TemporaryDirectory()
save_sample_files(folder.name)

# Initial data loading

labels = ["cat", "astronaut", "coffee", "rocket", "motorcycle", "tower"]
# We artificially increase the size of the dataset for the example
labels = [labels[i % len(labels)] for i in range(200)]

image_files = [f"{folder.name}/{label}.jpg" for label in labels]

raw_images = seqtools.smap(Image.open, image_files)
print("raw_images[0]:", raw_images[0].size)

# Mapping transformations


def normalize_size(im):
    w, h = im.size
    side = min(w, h)
    left, top = (w - side) // 2, (h - side) // 2
    box = (left, top, left + side, top + side)
    return im.resize((200, 200), Image.BILINEAR, box=box)  # type: ignore[attr-defined] # Pillow's types lack the name


small_images = seqtools.smap(normalize_size, raw_images)
small_images[1].save("small.png")

contrasted = seqtools.smap(ImageOps.autocontrast, small_images)
equalized = seqtools.smap(ImageOps.equalize, contrasted)
grayscale = seqtools.smap(ImageOps.grayscale, equalized)
grayscale[0].save("over_the_top.png")

# That preprocessing seems a bit over the top... let's check where it went wrong:
contrasted[0].save("over_the_top_contrasted.png")
equalized[0].save("over_the_top_equalized.png")

# We find here that equalization is inappropriate and autocontrast is too weak, let's fix this.
grayscale = seqtools.smap(ImageOps.grayscale, small_images)
contrasted = seqtools.smap(lambda im: ImageOps.autocontrast(im, cutoff=3), grayscale)
contrasted[0].save("contrasted.png")

# Combining datasets: augment the dataset with flipped versions of the images

flipped = seqtools.smap(ImageOps.mirror, contrasted)
augmented_dataset = seqtools.concatenate([contrasted, flipped])
augmented_dataset[200].save("flipped.png")
print("augmented_dataset:", augmented_dataset)

# Evaluation


def evaluate(name, dataset):
    started = perf_counter()
    computed_values = list(dataset)
    print(f"{name}: {len(computed_values)} images in {perf_counter() - started:.2f} s")
    return computed_values


one_by_one = evaluate("one by one", augmented_dataset)

fast_dataset = seqtools.prefetch(augmented_dataset, max_buffered=10, nworkers=2)
by_threads = evaluate("two threads", fast_dataset)
assert by_threads == one_by_one

# Do not read the images a second time: keep some, and take each with its flipped version.
contrasted = seqtools.add_cache(contrasted, cache_size=10)
flipped = seqtools.smap(ImageOps.mirror, contrasted)
augmented_pairs = seqtools.collate([contrasted, flipped])
augmented_dataset = seqtools.unbatch(augmented_pairs, 2)
fast_dataset = seqtools.prefetch(augmented_dataset, max_buffered=10, nworkers=2)

in_pairs = evaluate("two threads and a cache", fast_dataset)
assert in_pairs == [image for pair in zip(one_by_one[:200], one_by_one[200:], strict=True) for image in pair]

folder.cleanup()
