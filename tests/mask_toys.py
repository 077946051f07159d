"""Made-up pictures with masks, in the layouts that sets of masks come in."""

import json

import numpy as np
from PIL import Image

CLASSES = ("ground", "disc", "square")
COLOURS = ((90, 160, 60), (200, 40, 40), (40, 60, 200))


def scene(seed, width=40, height=32):
    """A picture `[H, W, 3]` and its mask `[H, W]`: a disc and a square on noisy ground."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    mask = np.zeros((height, width), np.uint8)
    cx, cy, side = draw.integers(8, width - 8), draw.integers(8, height - 8), draw.integers(8, 14)
    mask[(x - cx) ** 2 + (y - cy) ** 2 < (side / 2) ** 2] = 1
    left, top = draw.integers(0, width - side), draw.integers(0, height - side)
    mask[top : top + side, left : left + side] = 2
    picture = np.array(COLOURS)[mask] + draw.normal(0, 20, (height, width, 3))
    return picture.clip(0, 255).astype(np.uint8), mask


def save(path, array, palette=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Image.fromarray(array)
    if palette is not None:
        made.putpalette([part for colour in palette for part in colour])
    made.save(path)
    return path


def fill(root, place="images/{n}.png", masks="masks/{n}.png", count=12, change=lambda mask: mask, first=0, **kind):
    """Write `count` scenes: `place` and `masks` are paths with `{n}`; `change` makes of a mask what is stored."""
    for number in range(first, first + count):
        picture, mask = scene(number)
        save(root / place.format(n=number), picture)
        save(root / masks.format(n=number), change(mask), **kind)
    return root


def camvid(root, counts=(8, 4, 6)):
    """`train/`, `trainannot/` and so on."""
    first = 0
    for part, count in zip(("train", "val", "test"), counts, strict=True):
        fill(root, f"{part}/{{n}}.png", f"{part}annot/{{n}}.png", count, first=first)
        first += count
    (root / "classes.txt").write_text("\n".join(CLASSES))
    return root


def coloured(mask):
    return np.array(COLOURS, np.uint8)[mask]


def runs(mask):
    """COCO's uncompressed RLE of a boolean mask: lengths of runs, column by column, of 0 first."""
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat.astype(np.int8))) + 1
    lengths = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return {"counts": lengths if not flat[0] else [0, *lengths], "size": list(mask.shape)}


def coco(root, count=12):
    """A COCO file: discs as RLE, squares as polygons."""
    images, annotations = [], []
    for number in range(count):
        picture, mask = scene(number)
        save(root / "images" / f"{number}.png", picture)
        images.append({"id": number + 1, "file_name": f"{number}.png", "width": 40, "height": 32})
        for category in (1, 2):
            rows, columns = np.nonzero(mask == category)
            if not len(rows):
                continue
            box = [int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
            x, y, w, h = box
            outline = runs(mask == 1) if category == 1 else [[x, y, x + w, y, x + w, y + h, x, y + h]]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number + 1,
                    "category_id": category * 10,
                    "bbox": box,
                    "area": w * h,
                    "iscrowd": 0,
                    "segmentation": outline,
                }
            )
    categories = [{"id": 10, "name": "disc"}, {"id": 20, "name": "square"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "instances.json").write_text(json.dumps(content))
    return root
