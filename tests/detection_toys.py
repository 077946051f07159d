"""Made-up sets with boxes: bright squares and discs on a dark ground, in the layouts that people use."""

import json

import numpy as np
from PIL import Image, ImageDraw

NAMES = ("disc", "square")


def scene(seed, width=48, height=48):
    """A picture and its boxes: `(name, (left, upper, right, lower))`, which do not overlap."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (width, height), tuple(int(value) for value in rng.integers(20, 60, 3)))
    pen = ImageDraw.Draw(picture)
    boxes = []
    short = min(width, height)
    for column in range(2):
        for row in range(2):
            if rng.random() < 0.4:
                continue
            side = int(rng.integers(short // 5, short // 3))
            x = int(rng.integers(0, width // 2 - side)) + column * width // 2
            y = int(rng.integers(0, height // 2 - side)) + row * height // 2
            name = NAMES[int(rng.integers(2))]
            draw, fill = {"disc": (pen.ellipse, (230, 60, 60)), "square": (pen.rectangle, (60, 90, 230))}[name]
            draw((x, y, x + side - 1, y + side - 1), fill=fill)
            boxes.append((name, (x, y, x + side, y + side)))
    return picture, boxes


def xml(boxes, width=48, height=48):
    """A VOC annotation."""
    objects = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{left}</xmin><ymin>{upper}</ymin><xmax>{right}</xmax>"
        f"<ymax>{lower}</ymax></bndbox></object>"
        for name, (left, upper, right, lower) in boxes
    )
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation>{size}{objects}</annotation>"


def voc(root, count=12, parts=None):
    """A VOC folder of `count` scenes; `parts`: name of a list -> numbers of scenes."""
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        picture, boxes = scene(seed)
        picture.save(root / "JPEGImages" / f"{seed:03}.png")
        (root / "Annotations" / f"{seed:03}.xml").write_text(xml(boxes))
    for part, numbers in (parts or {}).items():
        (root / "ImageSets" / "Main" / f"{part}.txt").write_text("".join(f"{number:03}\n" for number in numbers))
    return root


def coco_content(seeds):
    """What a COCO file says of these scenes; ids of categories with gaps, ids of samples that are no rows."""
    images, annotations = [], []
    for seed in seeds:
        boxes = scene(seed)[1]
        images.append({"id": 100 + seed, "file_name": f"{seed:03}.png", "width": 48, "height": 48})
        for name, (left, upper, right, lower) in boxes:
            box = [left, upper, right - left, lower - upper]
            entry = {"image_id": 100 + seed, "category_id": {"disc": 7, "square": 90}[name], "bbox": box, "iscrowd": 0}
            annotations.append({"id": len(annotations) + 1, **entry})
    categories = [{"id": 90, "name": "square"}, {"id": 7, "name": "disc"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def coco(root, parts):
    """A COCO folder: annotations/instances_PART.json and PART/; `parts`: part -> numbers of scenes."""
    (root / "annotations").mkdir(parents=True)
    for part, seeds in parts.items():
        (root / part).mkdir()
        for seed in seeds:
            scene(seed)[0].save(root / part / f"{seed:03}.png")
        (root / "annotations" / f"instances_{part}.json").write_text(json.dumps(coco_content(seeds)))
    return root


def yolo_lines(boxes, width=48, height=48):
    """A YOLO label file."""
    lines = []
    for name, (left, upper, right, lower) in boxes:
        x, y = (left + right) / 2 / width, (upper + lower) / 2 / height
        lines.append(f"{NAMES.index(name)} {x} {y} {(right - left) / width} {(lower - upper) / height}\n")
    return "".join(lines)


def yolo(root, count=12):
    """images/, labels/ and classes.txt."""
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    for seed in range(count):
        picture, boxes = scene(seed)
        picture.save(root / "images" / f"{seed:03}.png")
        (root / "labels" / f"{seed:03}.txt").write_text(yolo_lines(boxes))
    (root / "classes.txt").write_text("disc\nsquare\n")
    return root
