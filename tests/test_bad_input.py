"""Whatever the user gives: one clear message with the fix, the right exit code, no traceback, no hang, nothing lost."""

import gzip
import io
import json
import os
import struct
import tarfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from detection_toys import coco_content, voc, xml
from mask_toys import camvid
from PIL import Image

from tacit.cli import run

QUICK = ["--steps", "2", "--batch", "4", "--set", "encoder.width=12"]


def picture(seed=0, side=16):
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def fill(folder, count=12, classes=("a", "b")):
    for number in range(count):
        home = folder / classes[number % len(classes)]
        home.mkdir(parents=True, exist_ok=True)
        picture(number).save(home / f"{number}.png")
    return folder


def bomb():
    """A PNG of 400 megapixels in a few kilobytes."""
    side = 20_000

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side + 1) * 100, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@dataclass(frozen=True)
class Case:
    """What is prepared in a folder, what is called, and how it has to end."""

    name: str
    prepare: object
    code: int
    said: tuple[str, ...]
    words: tuple[str, ...] = field(default=("train", "{data}", *QUICK, "--out", "{out}"))


def folder_with(**files):
    def prepare(tmp):
        data = fill(tmp / "data")
        for name, content in files.items():
            (data / "a" / name.replace("__", ".")).write_bytes(content)
        return data

    return prepare


def png(seed=0):
    buffer = io.BytesIO()
    picture(seed).save(buffer, "PNG")
    return buffer.getvalue()


def one_image(tmp):
    (tmp / "data").mkdir()
    picture().save(tmp / "data" / "only.png")
    return tmp / "data"


def empty(tmp):
    (tmp / "data").mkdir()
    (tmp / "data" / "notes.doc").write_text("nothing here")
    return tmp / "data"


def odd_names(tmp):
    data = fill(tmp / "data")
    picture(50).save(data / "a" / "two\nlines.png")
    (Path(os.fsdecode(os.fsencode(data) + b"/a/caf\xe9.png"))).write_bytes(png(51))
    return data


def loop(tmp):
    data = fill(tmp / "data")
    (data / "a" / "again").symlink_to(data, target_is_directory=True)
    return data


def evil_zip(tmp):
    path = tmp / "data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(12):
            archive.writestr(f"{'ab'[number % 2]}/{number}.png", png(number))
        archive.writestr("../evil.png", png(90))
    return path


def animated(tmp):
    data = fill(tmp / "data")
    frames = [picture(number).convert("P") for number in range(3)]
    frames[0].save(data / "a" / "moving.gif", save_all=True, append_images=frames[1:])
    return data


def no_permission(tmp):
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    data = fill(tmp / "data")
    (data / "a" / "0.png").chmod(0)
    return data


def nan_array(tmp):
    array = np.random.default_rng(0).random((20, 16, 16)).astype(np.float32)
    array[3, 2, 2] = np.nan
    np.save(tmp / "data.npy", array)
    return tmp / "data.npy"


def pickled_array(tmp):
    np.save(tmp / "data.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return tmp / "data.npy"


def occupied(tmp):
    (tmp / "out").mkdir()
    (tmp / "out" / "thesis.docx").write_text("precious")
    return fill(tmp / "data")


def config_with(text):
    def prepare(tmp):
        (tmp / "settings.yaml").write_text(text)
        return fill(tmp / "data")

    return prepare


def table_of(columns, count=12, name="data.parquet"):
    """A Parquet file of some pictures, with other columns or other pictures."""

    def prepare(tmp):
        import pyarrow as pa
        import pyarrow.parquet as pq

        pictures = pa.array([png(number) for number in range(count)], pa.binary())
        pq.write_table(pa.table({"picture": pictures, "label": [n % 2 for n in range(count)]} | columns), tmp / name)
        return tmp / name

    return prepare


def shards_with(*more):
    def prepare(tmp):
        (tmp / "data").mkdir()
        table_of({})(tmp / "data")
        for name, content in more:
            (tmp / "data" / name).write_bytes(content)
        return tmp / "data"

    return prepare


def tar_with(*members):
    def prepare(tmp):
        with tarfile.open(tmp / "data.tar", "w") as archive:
            for name, content in members:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return tmp / "data.tar"

    return prepare


def keys(count, label=b"cat"):
    return [(f"{n}.{kind}", png(n) if kind == "png" else label) for n in range(count) for kind in ("cls", "png")]


def half_saved(tmp):
    (tmp / "data").mkdir()
    (tmp / "data" / "dataset_info.json").write_text('{"features": {}}')
    (tmp / "data" / "state.json").write_text('{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}')
    (tmp / "data" / "data-00000-of-00001.arrow").write_bytes(b"\xff\xff\xff\xff cut off")
    return tmp / "data"


def no_dicom(tmp):
    return folder_with(scan__dcm=bytes(128) + b"DICM" + bytes(200))(tmp)


INSPECT = ("inspect", "{data}", "--set", "encoder.width=12")
WITH_CONFIG = ("train", "{data}", "--config", "{tmp}/settings.yaml", "--out", "{out}")
LENIENT = ("train", "{data}", *QUICK, "--max-bad", "0.5", "--out", "{out}")

SIDES = lambda n: f"{'ab'[n % 2]},{('train', 'test')[n % 3 == 0]},g"  # noqa: E731
HALF = lambda n: "a" if n % 2 else ""  # noqa: E731

CASES = [
    Case("empty folder", empty, 3, ("holds no images", ".png", ".doc")),
    Case("no such folder", lambda tmp: tmp / "nowhere", 3, ("nowhere",)),
    Case("misspelt built-in", lambda tmp: "digit", 3, ("digits",)),
    Case("one image", one_image, 3, ("1 image", "at least 2")),
    Case("truncated file", folder_with(bad__png=png()[:120]), 3, ("bad.png", "--max-bad")),
    Case("truncated file, allowed", folder_with(bad__png=png()[:120]), 0, ("skipped",), LENIENT),
    Case("zero bytes", folder_with(bad__png=b""), 3, ("bad.png", "empty")),
    Case("text named .jpg", folder_with(bad__jpg=b"hello, I am text\n"), 3, ("bad.jpg", "text")),
    Case("PNG bomb", folder_with(bad__png=bomb()), 3, ("bad.png", "megapixel")),
    Case("animation", animated, 0, ()),
    Case("no permission", no_permission, 3, ("0.png", "ermission")),
    Case("symlink loop", loop, 0, ()),
    Case("names with newlines and broken UTF-8", odd_names, 0, ()),
    Case("zip with ../", evil_zip, 3, ("evil.png", "--max-bad")),
    Case("zip with ../, allowed", evil_zip, 0, ("skipped",), LENIENT),
    Case("broken zip", lambda tmp: _file(tmp / "data.zip", b"PK no zip"), 3, ("data.zip",)),
    Case("NaN in an array", nan_array, 3, ("NaN", "3")),
    Case("pickle in an array", pickled_array, 3, ("data.npy",)),
    Case("output is not empty", occupied, 2, ("thesis.docx", "--out")),
    Case("unknown method", fill_data := lambda tmp: fill(tmp / "data"), 2, ("did you mean 'simclr'",),
         ("train", "{data}", "--method", "simcrl", "--out", "{out}")),
    Case("unknown encoder", fill_data, 2, ("did you mean 'convnet'",),
         ("train", "{data}", "--encoder", "convnett", "--out", "{out}")),
    Case("unknown option", fill_data, 2, ("--epochs",), ("train", "{data}", "--epoch", "3", "--out", "{out}")),
    Case("unknown setting", fill_data, 2, ("did you mean 'temperature'",),
         ("train", "{data}", "--set", "method.temprature=1", "--out", "{out}")),
    Case("unknown command", fill_data, 2, ('"train"',), ("trian", "{data}")),
    Case("batch larger than the data", fill_data, 2, ("a batch of 4096", "--batch"),
         ("train", "{data}", "--steps", "2", "--batch", "4096", "--out", "{out}")),
    Case("two budgets", fill_data, 2, ("one budget",),
         ("train", "{data}", "--steps", "2", "--epochs", "2", "--out", "{out}")),
    Case("nonsense duration", fill_data, 2, ("10m",), ("train", "{data}", "--time", "soon", "--out", "{out}")),
    Case("YAML with an alias", config_with("seed: &a 1\nbatch: *a\n"), 2, ("aliases", "settings.yaml"), WITH_CONFIG),
    Case("YAML with a key twice", config_with("seed: 1\nseed: 2\n"), 2, ("stands twice",), WITH_CONFIG),
    Case("resume of nothing", fill_data, 2, ("no run to resume",), ("train", "--resume", "--out", "{out}")),
    Case("no data", fill_data, 2, ("data",), ("train", "--out", "{out}")),
    Case("encoder that is none", fill_data, 2, ("holds no encoder",), ("evaluate", "{data}", "{data}")),
    Case("unknown suffix", fill_data, 2, (".parquet",), ("embed", "{trained}", "{data}", "--out", "{tmp}/v.csv")),
    Case("one class", lambda tmp: fill(tmp / "data", 20, ("a",)), 3, ("two classes",),
         ("evaluate", "{trained}", "{data}")),
    Case("no labels", lambda tmp: flat_folder(tmp), 3, ("label",), ("evaluate", "{trained}", "{data}")),
    Case("unknown task", fill_data, 2, ("did you mean 'linear'",),
         ("evaluate", "{trained}", "{data}", "--task", "liner")),
    Case("quality gate", lambda tmp: fill(tmp / "data", 60), 4, ("gate missed", "knn is"),
         ("evaluate", "{trained}", "{data}", "--task", "knn", "--fail-under", "knn=1.01")),
    Case("group on both sides", lambda tmp: listed(tmp, "path,label,split,group", SIDES), 3, ("group",)),
    Case("Parquet without rows", table_of({}, 0), 3, ("has no rows",)),
    Case("Parquet without bytes", table_of({"picture": [1] * 12}), 3, ("no column of bytes", "picture (int64)")),
    Case("Parquet with two columns of bytes", table_of({"small": [b"x"] * 12}), 3, ("picture, small", "#picture")),
    Case("Parquet with another column", lambda tmp: f"{table_of({})(tmp)}#pictures", 3, ("did you mean 'picture'",)),
    Case("Parquet with a row of nothing", table_of({"picture": [None, *map(png, range(11))]}), 3, ("no bytes for it",)),
    Case("Parquet with labels that are none", table_of({"label": [[1]] * 12}), 3, ("one number or text",)),
    Case("Parquet with one shard damaged", shards_with(("z.parquet", b"PAR1")), 3, ("z.parquet", "--max-bad")),
    Case("Parquet with one damaged, allowed", shards_with(("z.parquet", b"PAR1")), 0, ("1 of 2 shards",), LENIENT),
    Case("no Parquet", lambda tmp: _file(tmp / "data.parquet", b"no table"), 3, ("copy it again",)),
    Case("missing shards", lambda tmp: tmp / "x-{{000..002}}.tar", 3, ("3 files, and 3 are missing",)),
    Case("tar with keys that stand twice", tar_with(*keys(6), *keys(6)), 0, ()),
    Case("tar with labels that are no text", tar_with(*keys(12, b"\xff\xfe")), 0, ("12 labels beside samples",)),
    Case("damaged Hugging Face data set", half_saved, 3, ("data-00000-of-00001.arrow", "damaged")),
    Case("damaged DICOM file", no_dicom, 3, ("scan.dcm", "--max-bad")),
    Case("inspect: one sample", one_image, 0, ("1 image",), INSPECT),
    Case("inspect: unreadable files", folder_with(bad__png=b""), 0, ("1 unreadable", "empty", "--max-bad"), INSPECT),
    Case("inspect: nothing is readable", lambda tmp: _only_bad(tmp), 3, ("empty file",), INSPECT),
    Case("inspect: unknown method", fill_data, 2, ("did you mean 'simclr'",), (*INSPECT, "--method", "simcrl")),
    Case("inspect: a picture of no format", fill_data, 2, (".png",), (*INSPECT, "--picture", "{tmp}/sheet.gif")),
    Case("labels on part of the files", lambda tmp: listed(tmp, "path,label", HALF), 0, ("no label",)),
]  # fmt: skip


def _file(path, content):
    path.write_bytes(content)
    return path


def _only_bad(tmp):
    (tmp / "data").mkdir()
    return _file(tmp / "data" / "bad.png", b"").parent


def flat_folder(tmp):
    (tmp / "data").mkdir()
    for number in range(12):
        picture(number).save(tmp / "data" / f"{number}.png")
    return tmp / "data"


def listed(tmp, header, columns):
    flat_folder(tmp)
    rows = "".join(f"data/{number}.png,{columns(number)}\n" for number in range(12))
    return _file(tmp / "list.csv", f"{header}\n{rows}".encode())


def scenes(*changes):
    """A VOC folder of 24 scenes, of which some files are changed: (path, content or None to remove it)."""

    def prepare(tmp):
        data = voc(tmp / "data", 24, {"train": range(16), "test": range(16, 24)})
        for name, content in changes:
            (data / name).unlink() if content is None else (data / name).write_text(content)
        return data

    return prepare


def coco_without(key):
    def prepare(tmp):
        content = coco_content(range(6))
        del content[key]
        return _file(tmp / "data.json", json.dumps(content).encode())

    return prepare


ENTITIES = (
    '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><annotation><object><name>&b;</name></object></annotation>'
)
ODD = [("disc", (-9, 4, 20, 70)), ("disc", (5, 5, 5, 9)), ("disc", (60, 60, 70, 70)), ("disc", (4, 4, 20, 20))]
DETECT = ("finetune", "{trained}", "{data}", "--task", "detect", "--steps", "2", "--batch", "4", "--out", "{out}")
EXAMINE = ("evaluate", "{trained}", "{data}", "--task", "detect")
BOX_CASES = [
    Case("boxes outside, and without area", scenes(("Annotations/000.xml", xml(ODD))), 0,
         ("1 boxes reach beyond their sample", "2 boxes have no area"), DETECT),
    Case("a class without a box", scenes(("Annotations/000.xml", xml([("ring", (5, 5, 5, 9))]))), 0,
         ("no box of class 'ring'",), DETECT),
    Case("XML with entities", scenes(("Annotations/000.xml", ENTITIES)), 3, ("000.xml", "refused", "repair"), DETECT),
    Case("XML with entities, unlabelled", scenes(("Annotations/000.xml", ENTITIES)), 0, ()),
    Case("XML with entities, allowed", scenes(("Annotations/000.xml", ENTITIES)), 0, ("000.xml", "refused"),
         (*DETECT, "--max-bad", "0.1")),
    Case("finetune: boxes and no labels", scenes(), 3, ("no sample", "--task detect"),
         ("finetune", "{trained}", "{data}", "--steps", "2", "--out", "{out}")),
    Case("XML cut off", scenes(("Annotations/000.xml", "<annotation>")), 3, ("000.xml is no valid XML",), EXAMINE),
    Case("a coordinate that is no number", scenes(("Annotations/000.xml", xml([("disc", ("x", 1, 2, 3))]))), 3,
         ("xmin is 'x', not a number",), DETECT),
    Case("empty annotation files", scenes(*((f"Annotations/{n:03}.xml", "") for n in range(8))), 0, (), DETECT),
    Case("nothing but empty annotation files", scenes(*((f"Annotations/{n:03}.xml", "") for n in range(24))), 3,
         ("not one sample", "nothing to detect"), DETECT),
    Case("a list that names missing files", scenes(("ImageSets/Main/train.txt", "000\n001\nnone\n")), 3,
         ("none.jpg", "no such file", "--max-bad"), DETECT),
    Case("a file in two lists", scenes(("ImageSets/Main/train.txt", "000\n016\n")), 3, ("016", "train.txt"), DETECT),
    Case("COCO without categories", coco_without("categories"), 3, ("no COCO file", "categories"), DETECT),
    Case("COCO that names missing files", lambda tmp: _file(tmp / "data.json", json.dumps(coco_content([1])).encode()),
         3, ("001.png", "none of them lies in"), DETECT),
    Case("boxes that are not there", lambda tmp: fill(tmp / "data"), 3, ("has no boxes", "Pascal VOC"), EXAMINE),
    Case("detection beside other tasks", scenes(), 2, ("ask for it alone",), (*EXAMINE[:-1], "detect,knn")),
]  # fmt: skip
CASES += BOX_CASES

SEARCH = ("search", "{trained}", "{data}", "{data}")
INDEX = ("index", "{trained}", "{data}", "--out")
CASES += [
    Case("search: no index", fill_data, 2, ("holds no index", "tacit index"), SEARCH),
    Case("search: an encoder is no index", fill_data, 2, ("holds no index",),
         ("search", "{trained}", "{trained}/encoder", "{data}")),
    Case("index: into a folder of other things", occupied, 2, ("other things than an index",), (*INDEX, "{out}")),
    Case("index: into an encoder", fill_data, 2, ("other things than an index",), (*INDEX, "{trained}/encoder")),
    Case("index: of nothing", empty, 3, ("holds no images",), (*INDEX, "{out}")),
    Case("duplicates: one sample", one_image, 0, ("no duplicates among 1 image",), ("duplicates", "{data}")),
    Case("duplicates: unreadable files", folder_with(bad__png=b""), 3, ("bad.png",), ("duplicates", "{data}")),
    Case("duplicates: a likeness that is none", fill_data, 2, ("0.5 to 1",), ("duplicates", "{data}", "--near", "95")),
    Case("duplicates: a picture of no format", fill_data, 2, (".png",),
         ("duplicates", "{data}", "--picture", "{tmp}/sheet.gif")),
    Case("copies of too little", lambda tmp: fill(tmp / "data", 4), 3, ("copy detection needs",),
         ("evaluate", "{trained}", "{data}", "--task", "copies")),
    Case("copies beside other tasks", fill_data, 2, ("ask for it alone",),
         ("evaluate", "{trained}", "{data}", "--task", "copies,knn")),
]  # fmt: skip


def masked(**changes):
    """Twelve scenes with masks in CamVid's layout; `train_3=mask` puts another mask in the place of one."""

    def prepare(tmp):
        data = camvid(tmp / "data", (12, 2, 4))
        for name, mask in changes.items():
            part, number = name.split("_")
            Image.fromarray(mask).save(data / f"{part}annot" / f"{number}.png")
        return data

    return prepare


def jpeg_masks(tmp):
    data = camvid(tmp / "data", (12, 2, 4))
    for path in sorted(data.glob("*annot/*.png")):
        with Image.open(path) as mask:
            mask.save(path.with_suffix(".jpg"))
        path.unlink()
    return data


def no_test_masks(tmp):
    data = camvid(tmp / "data", (12, 2, 4))
    for path in (data / "testannot").glob("*.png"):
        path.unlink()
    return data


def with_list(name, content):
    def prepare(tmp):
        data = camvid(tmp / "data", (12, 2, 4))
        return _file(data / name, content).parent

    return prepare


SEGMENT = ("finetune", "{trained}", "{data}", "--task", "segment", "--steps", "2", "--batch", "4", "--out", "{out}")
JUDGE = ("evaluate", "{trained}", "{data}", "--task", "segment")
SMALL, STRANGE = np.zeros((16, 20), np.uint8), np.full((32, 40), 9, np.uint8)
CASES += [
    Case("masks of another size", masked(train_3=SMALL), 3, ("3.png", "20 x 16 cells", "40 x 32"), SEGMENT),
    Case("masks of unknown values", masked(train_3=STRANGE), 3, ("the value 9 at column 0, row 0",), JUDGE),
    Case("masks that are photographs", masked(train_3=SMALL, test_15=STRANGE), 3, ("2 of 18 masks",), JUDGE),
    Case("masks of another size, allowed", masked(train_3=SMALL), 0, ("left out",), (*SEGMENT, "--max-bad", "0.3")),
    Case("masks as JPEG", jpeg_masks, 3, ("JPEG file", "export the masks as PNG"), SEGMENT),
    Case("masks are no reason not to train", jpeg_masks, 0, ()),
    Case("masks where labels are needed", masked(), 3, ("--task segment",), JUDGE[:3]),
    Case("no masks", fill_data, 3, ("has no masks", "trainannot"), JUDGE),
    Case("no masks to test on", no_test_masks, 3, ("no sample of the test part", "has a mask"), JUDGE),
    Case("no masks to test on, fine-tuned", no_test_masks, 0, ("no labelled test part",), SEGMENT),
    Case("a list of classes with a repeat", with_list("classes.txt", b"a\na\n"), 3, ("'a' stands twice",)),
    Case("a list of colours without numbers", with_list("colours.csv", b"name\nroad\n"), 3, ("name,r,g,b",)),
    Case("segmentation beside other tasks", masked(), 2, ("ask for it alone",), (*JUDGE[:-1], "segment,knn")),
]  # fmt: skip


def greys(tmp):
    for number in range(12):
        (tmp / "data").mkdir(exist_ok=True)
        picture(number).convert("L").save(tmp / "data" / f"{number}.png")
    return tmp / "data"


CASES += [
    Case("colours of grey images", greys, 3, ("1 channel",),
         ("train", "{data}", *QUICK, "--method", "colorization", "--out", "{out}")),
    Case("a family that is none", fill_data, 2, ("transformations:mirror",),
         ("train", "{data}", *QUICK, "--method", "jigsaw", "--set", "method.family=mirror", "--out", "{out}")),
    Case("inpainting of what loses nothing", fill_data, 2, ("denoising",),
         ("train", "{data}", *QUICK, "--method", "inpainting", "--set", "method.corruption=grey", "--out", "{out}")),
    Case("drawing from no maps", fill_data, 2, ("no maps",),
         ("train", "{data}", "--steps", "2", "--method", "denoising", "--encoder", "patches", "--out", "{out}")),
    Case("a transformer of one size and tiles", fill_data, 2, ("resnet10t",),
         ("train", "{data}", "--steps", "2", "--batch", "4", "--method", "jigsaw", "--encoder", "test_vit",
          "--out", "{out}")),
    Case("show: no run", fill_data, 2, ("holds no run",), ("show", "{data}")),
    Case("show: a picture of no format", fill_data, 2, (".png",), ("show", "{trained}", "--out", "{tmp}/show.gif")),
    Case("show: no sample", fill_data, 2, ("--count 0",),
         ("show", "{trained}", "--count", "0", "--out", "{tmp}/show.png")),
    Case("show: data that are none", empty, 3, ("holds no images",),
         ("show", "{trained}", "{data}", "--out", "{tmp}/show.png")),
]  # fmt: skip


def untested(tmp):
    """Two classes with a training and a test part, and one with a training sample alone."""
    for part, first in (("train", 0), ("test", 100)):
        for number in range(12):
            place = tmp / "data" / part / "ab"[number % 2]
            place.mkdir(parents=True, exist_ok=True)
            picture(first + number).save(place / f"{number}.png")
    (tmp / "data" / "train" / "lone").mkdir()
    picture(99).save(tmp / "data" / "train" / "lone" / "only.png")
    return tmp / "data"


def rare(tmp):
    """A class of one sample beside two ordinary ones."""
    data = fill(tmp / "data", 24)
    (data / "c").mkdir()
    picture(99).save(data / "c" / "only.png")
    return data


def a_list_beside(rows):
    """A folder without labels, and a list of labels for it."""

    def prepare(tmp):
        _file(tmp / "chosen.csv", f"path,label\n{rows}".encode())
        return flat_folder(tmp)

    return prepare


def some_weights(content):
    def prepare(tmp):
        _file(tmp / "net.pth", content)
        return fill(tmp / "data")

    return prepare


TUNE = ("finetune", "{trained}", "{data}", "--steps", "2", "--set", "evaluations=1", "--out", "{out}")
LABELLED = (*TUNE, "--labels", "{tmp}/chosen.csv")
FROM_FILE = ("train", "{data}", "--encoder", "resnet18", "--init-from", "{tmp}/net.pth", "--out", "{out}")
NUMBERS = lambda n: str(n / 2)  # noqa: E731
CASES += [
    Case("finetune: no labels", flat_folder, 3, ("no sample", "has a label", "--labels"), TUNE),
    Case("finetune: one class", lambda tmp: fill(tmp / "data", 20, ("a",)), 3, ("takes two",), TUNE),
    Case("finetune: a class of one sample", rare, 0, ("to learn from for 'c'",), TUNE),
    Case("finetune: one labelled sample", a_list_beside("1.png,a\n"), 3, ("takes two",), LABELLED),
    Case("finetune: labels of missing samples", a_list_beside("1.png,a\n77.png,b\n"), 3,
         ("names 1 samples", "77.png", "did you mean"), LABELLED),
    Case("finetune: a list that is none", a_list_beside(""), 3, ("labels no sample",), LABELLED),
    Case("finetune: a missing list", flat_folder, 3, ("cannot be read", "no such file"), LABELLED),
    Case("finetune: more stages than there are", fill_data, 2, ("has 3 stages",), (*TUNE, "--freeze", "9")),
    Case("finetune: frozen by a word", fill_data, 2, ("method.freeze",), (*TUNE, "--freeze", "most")),
    Case("finetune: numbers that are texts", fill_data, 3, ("'a'", "12.5", "--task classify"),
         (*TUNE, "--task", "regress")),
    Case("finetune: numbers, now and then two", lambda tmp: listed(tmp, "path,label", lambda n: "1;2" if n else "3"), 3,
         ("1 and 2 numbers",), (*TUNE, "--task", "regress")),
    Case("finetune: numbers", lambda tmp: listed(tmp, "path,label", NUMBERS), 0, ("training mean",),
         (*TUNE, "--task", "regress")),
    Case("finetune: unknown task", fill_data, 2, ("did you mean 'classify'",), (*TUNE, "--task", "classfy")),
    Case("finetune: no data", fill_data, 2, ("data",), ("finetune", "{trained}", "--out", "{out}")),
    Case("finetune: an encoder that is none", fill_data, 2, ("holds no encoder",),
         ("finetune", "{data}", "{data}", "--out", "{out}")),
    Case("finetune: class weights for numbers", fill_data, 2, ("class_weights",),
         (*TUNE, "--task", "regress", "--class-weights")),
    Case("predict: an encoder is no model", fill_data, 2, ("holds an encoder", "tacit finetune"),
         ("predict", "{trained}", "{data}", "--out", "{tmp}/p.csv")),
    Case("predict: nothing is no model", fill_data, 2, ("holds no model",),
         ("predict", "{data}", "{data}", "--out", "{tmp}/p.csv")),
    Case("weights: text", some_weights(b"hello, no weights"), 1, ("net.pth", "copy or fetch it anew"), FROM_FILE),
    Case("weights: nothing", some_weights(b""), 1, ("net.pth", "copy or fetch it anew"), FROM_FILE),
]  # fmt: skip


def twins(tmp):
    """Twelve files, three of them different."""
    (tmp / "data").mkdir()
    for number in range(12):
        picture(number % 3).save(tmp / "data" / f"{number}.png")
    return tmp / "data"


def a_filled_list(tmp):
    (tmp / "out").mkdir()
    (tmp / "out" / "list.csv").write_text("path,label\n1.png,precious\n")
    return flat_folder(tmp)


SELECT = ("select", "{trained}", "{data}", "--out", "{out}", "--budget")
SIXTY = lambda tmp: fill(tmp / "data", 60)  # noqa: E731
FEW = ("evaluate", "{trained}", "{data}", "--task", "few-label", "--labels")
CASES += [
    Case("select: nothing", flat_folder, 2, ("--budget 0", "1 or more"), (*SELECT, "0")),
    Case("select: more than there are", flat_folder, 2, ("--budget 99", "images; give", "or less"), (*SELECT, "99")),
    Case("select: more than differ", twins, 2, ("--budget 9", "different; give", "or less"), (*SELECT, "9")),
    Case("select: all are labelled", fill_data, 2, ("are labelled", "nothing left", "--ignore-labels"), (*SELECT, "2")),
    Case("select: all are labelled, for rehearsal", fill_data, 0, ("to label",), (*SELECT, "2", "--ignore-labels")),
    Case("select: unknown way", flat_folder, 2, ("did you mean 'kmedoids'",), (*SELECT, "2", "--method", "kmedoid")),
    Case("select: no such part", flat_folder, 3, ("no part 'tset'",), (*SELECT, "2", "--part", "tset")),
    Case("select: a list with labels is in the way", a_filled_list, 2, ("may hold labels", "--out"), (*SELECT, "2")),
    Case("select: into a file", lambda tmp: (_file(tmp / "out", b""), flat_folder(tmp))[1], 2, ("is a file",),
         (*SELECT, "2")),
    Case("select: known samples that are missing", flat_folder, 3, ("cannot be read",),
         (*SELECT, "2", "--labels", "{tmp}/none.csv")),
    Case("few labels: fewer than classes", SIXTY, 2, ("--labels 1", "the 2 classes"), (*FEW, "1")),
    Case("a class without a sample to test on", untested, 0, ("none to test on", "'lone'"),
         ("evaluate", "{trained}", "{data}", "--task", "knn")),
    Case("few labels: more than the rarest class", SIXTY, 2, ("--labels 4000", "or less"), (*FEW, "4000")),
    Case("few labels: text", SIXTY, 2, ("'many'", "40,250,4000"), (*FEW, "many")),
    Case("few labels: no draws", SIXTY, 2, ("--folds 0",), (*FEW, "4", "--folds", "0")),
    Case("few labels: for whom they are not", SIXTY, 2, ("leave out --labels",),
         ("evaluate", "{trained}", "{data}", "--task", "copies", "--labels", "4")),
    Case("select examined: more than there are", SIXTY, 2, ("numbers from 1 to",),
         ("evaluate", "{trained}", "{data}", "--task", "select", "--labels", "4000")),
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    home = tmp_path_factory.mktemp("trained")
    assert run(["train", str(fill(home / "data")), *QUICK, "--out", str(home / "run")]) == 0
    return home / "run"


def lines(name, *rows):
    """A file of a dozen good lines and then `rows`: bytes as they are, all else as JSON."""

    def prepare(tmp):
        good = [{"text": f"sentence number {n} of a story", "label": "ab"[n % 2]} for n in range(12)]
        whole = b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in [*good, *rows])
        (tmp / name).write_bytes(gzip.compress(whole) if name.endswith(".gz") else whole)
        return tmp / name

    return prepare


def written(name, content):
    def prepare(tmp):
        (tmp / name).parent.mkdir(exist_ok=True)
        (tmp / name).write_bytes(content)
        return tmp / name.split("/")[0]

    return prepare


TEXT = ("train", "{data}", "--steps", "2", "--batch", "4", "--out", "{out}")
LENIENT_TEXT = (*TEXT, "--max-bad", "0.5")
AS_TEXT = (*TEXT, "--set", "modality.name=text")
CASES += [
    Case("texts: a line that is no JSON", lines("x.jsonl", b"{"), 3, ("line 13", "no JSON object", "--max-bad"), TEXT),
    Case("texts: bytes that are no UTF-8", lines("x.jsonl", b'{"text": "\xff"}'), 3, ("no UTF-8 at byte",), TEXT),
    Case("texts: half a character", lines("x.jsonl", b'{"text": "\\ud800 x"}'), 3, ("half a character",), TEXT),
    Case("texts: no text", lines("x.jsonl", {"text": ""}), 3, ("no words",), TEXT),
    Case("texts: numbers", lines("x.jsonl", {"text": 7}), 3, ("is no text",), TEXT),
    Case("texts: bad lines are allowed", lines("x.jsonl", b"{", {"text": "  "}), 0, ("2 of 14",), LENIENT_TEXT),
    Case("texts: NUL and no newline at the end", lines("x.jsonl", {"text": "a\0b, and words"}), 0, (), TEXT),
    Case("texts: labels on some", lines("x.jsonl", {"text": "one more"}), 0, ("1 of 13 samples have no label",), TEXT),
    Case("texts: a truncated archive", lambda tmp: cut(lines("x.jsonl.gz")(tmp)), 3, ("Copy it again",), TEXT),
    Case("texts: another column", written("x.csv", b"txt,label\na,b\n"), 3, ("no column 'text'", "x.csv#txt"), AS_TEXT),
    Case("texts: nothing in a table", written("x.csv", b"text,label\n"), 3, ("no records",), TEXT),
    Case("texts: an empty file", written("x.jsonl", b""), 3, ("no records",), AS_TEXT),
    Case("texts: one line", written("x.txt", b"To be, or not to be"), 3, ("1 text", "at least 2"), TEXT),
    Case("texts: a folder without any", written("data/x.doc", b"words"), 3, ("holds no texts", ".doc 1"), AS_TEXT),
    Case("texts: an encoder of images", lines("x.jsonl"), 2, ("does not read texts", "bag"),
         (*TEXT, "--encoder", "convnet")),
    Case("texts: a method of images", lines("x.jsonl"), 2, ("rotation", "text data do not have"),
         (*TEXT, "--method", "rotation")),
]  # fmt: skip


def cut(path):
    path.write_bytes(path.read_bytes()[:-12])
    return path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_gets_a_clear_message_and_the_right_exit_code(case, tmp_path, trained, capfd):
    data = case.prepare(tmp_path)
    places = {"data": data, "out": tmp_path / "out", "tmp": tmp_path, "trained": trained}
    capfd.readouterr()
    code = run([word.format(**places) for word in case.words])
    said = "".join(capfd.readouterr())
    assert code == case.code, said
    assert "Traceback" not in said
    assert "bug in tacit" not in said
    for part in case.said:
        assert part in said
    if case.prepare is a_filled_list:
        assert "precious" in (tmp_path / "out" / "list.csv").read_text()
    if case.name == "output is not empty":
        assert (tmp_path / "out" / "thesis.docx").read_text() == "precious"
    if case.words == LENIENT:
        assert "\t" in (tmp_path / "out" / "skipped.txt").read_text()


def test_a_flipped_byte_in_a_checkpoint_is_named_and_the_older_one_is_used(tmp_path, trained, capfd):
    data = fill(tmp_path / "data")
    out = tmp_path / "out"
    words = ["train", str(data), *QUICK, "--set", "checkpoint_seconds=0", "--out", str(out)]
    assert run(words) == 0
    newest = max((out / "checkpoints").glob("*.safetensors"))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert run(["evaluate", str(newest), str(data)]) == 1
    assert "damaged" in capfd.readouterr().err
    assert run([*words, "--resume"]) == 0
    assert "damaged" in capfd.readouterr().err
    weights = out / "encoder" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert run(["embed", str(out), str(data), "--out", str(tmp_path / "v.npy")]) == 1
    assert "damaged" in capfd.readouterr().err


def test_a_run_folder_in_use_is_refused(tmp_path, capfd):
    from tacit.engine.runfolder import RunFolder

    data = fill(tmp_path / "data")
    with RunFolder(tmp_path / "out"):
        assert run(["train", str(data), *QUICK, "--out", str(tmp_path / "out")]) == 1
    assert "in use by pid" in capfd.readouterr().err


DISK = 8_000
"""A limit on the size of files stands for the disk: the same error path, without a file system of one's own."""


def test_a_full_disk_is_told_while_data_are_packed(tmp_path, monkeypatch, programs):
    words = ["train", fill(tmp_path / "data", 40), *QUICK, "--out", tmp_path / "out"]
    monkeypatch.setenv("TACIT_CACHE", str(tmp_path / "cache"))
    done = programs.start(words, tmp_path / "said", limit=DISK)
    assert done.wait() == 1, done.err
    assert "Traceback" not in done.err
    assert "no room left" in done.err
    assert "TACIT_CACHE" in done.err


def test_a_full_disk_is_told_while_state_is_written(tmp_path, programs):
    words = ["train", fill(tmp_path / "data", 40), *QUICK, "--out", tmp_path / "out"]
    assert run([*map(str, words), "--dry-run"]) == 0
    done = programs.start(words, tmp_path / "said", limit=DISK)
    assert done.wait() == 1, done.err
    assert "Traceback" not in done.err
    assert "cannot write" in done.err
    assert not list((tmp_path / "out" / "checkpoints").iterdir()), "no torn checkpoint is left"


def test_skipped_files_are_listed_with_their_reasons(tmp_path):
    data = folder_with(bad__png=b"")(tmp_path)
    assert run(["train", str(data), *QUICK, "--max-bad", "0.5", "--out", str(tmp_path / "out")]) == 0
    (line,) = (tmp_path / "out" / "skipped.txt").read_text().splitlines()
    name, reason = line.split("\t")
    assert name.endswith("bad.png")
    assert "empty" in reason
    assert json.loads((tmp_path / "out" / "encoder" / "config.json").read_text())["training"]["samples"] > 0


def test_a_model_is_no_encoder_and_writes_what_its_task_has(tmp_path, trained, capfd):
    data = str(fill(tmp_path / "data", 24))
    assert run(["finetune", str(trained), data, "--steps", "2", "--out", str(tmp_path / "tuned")]) == 0
    capfd.readouterr()
    model = str(tmp_path / "tuned" / "model")
    assert run(["evaluate", model, data]) == 2
    assert "fine-tuned model, not an encoder" in capfd.readouterr().err
    for out in ("p.txt", "data"):
        assert run(["predict", model, data, "--out", str(tmp_path / out)]) == 2
        assert "Valid: .csv, .parquet" in capfd.readouterr().err
    weights = tmp_path / "tuned" / "model" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert run(["predict", model, data, "--out", str(tmp_path / "p.csv")]) == 1
    assert "damaged" in capfd.readouterr().err
    assert not (tmp_path / "p.csv").exists()
