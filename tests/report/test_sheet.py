import numpy as np
import pytest
from PIL import Image

from tacit.errors import RunError, UsageError
from tacit.report.sheet import CELL, GAP, MARGIN, NARROWEST, Panel, contact, draw


def pictures(count, height, width):
    return np.random.default_rng(0).integers(0, 200, (count, height, width, 3), dtype=np.uint8)


def read(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def find(sheet, colour, tolerance=0):
    """The box of all pixels of a colour: left, upper, right, lower."""
    rows, columns = np.nonzero((abs(sheet - np.array(colour)) <= tolerance).all(2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize("size", [1, 8, 28, 32, 33, 128, 300])
def test_every_picture_fills_its_cell(tmp_path, size):
    picture = np.zeros((1, size, size, 3), np.uint8)
    picture[..., 0] = 255
    contact(picture, ["it"], tmp_path / "sheet.png", title="")
    left, upper, right, lower = find(read(tmp_path / "sheet.png"), (255, 0, 0))
    assert (left, upper) == (MARGIN, MARGIN)
    assert (right - left, lower - upper) == (CELL, CELL)


def test_small_pictures_keep_their_pixels_crisp(tmp_path):
    """Every value that is drawn is a value of the picture: nothing is smoothed."""
    picture = pictures(1, 32, 32)
    contact(picture, [], tmp_path / "sheet.png", title="")
    drawn = read(tmp_path / "sheet.png")[MARGIN : MARGIN + CELL, MARGIN : MARGIN + CELL]
    assert np.array_equal(drawn, picture[0].astype(int).repeat(4, axis=0).repeat(4, axis=1))


def test_proportions_are_kept(tmp_path):
    wide = np.zeros((1, 20, 80, 3), np.uint8)
    wide[..., 2] = 255
    contact(wide, [""], tmp_path / "sheet.png", title="wide")
    left, upper, right, lower = find(read(tmp_path / "sheet.png"), (0, 0, 255))
    assert (right - left, lower - upper) == (CELL, CELL // 4)


def test_a_contact_sheet_is_read_row_by_row(tmp_path):
    shades = np.zeros((5, 4, 4, 3), np.uint8)
    shades[..., 1] = np.arange(5)[:, None, None] * 40 + 50
    contact(shades, [str(number) for number in range(5)], tmp_path / "sheet.png", title="five", columns=3)
    places = [find(read(tmp_path / "sheet.png"), (0, shade, 0))[:2] for shade in (50, 90, 130, 170, 210)]
    assert [x for x, _ in places] == [MARGIN + column * (CELL + GAP) for column in (0, 1, 2, 0, 1)]
    heights = [y for _, y in places]
    assert heights[0] == heights[1] == heights[2] < heights[3] == heights[4]


def test_columns_may_differ_in_size_and_length(tmp_path):
    panels = [
        Panel("short", pictures(1, 8, 8), ["one"]),
        Panel("long and with a title that takes more than one line", pictures(3, 16, 16)),
        Panel("judged", pictures(2, 200, 100), ["two\nlines", "right"], [False, True]),
    ]
    draw(panels, tmp_path / "sheet.png", title="mixed", footnote="a note " * 50)
    sheet = read(tmp_path / "sheet.png")
    assert sheet.shape[0] > 3 * CELL
    green, orange = find(sheet, (0x1B, 0x7F, 0x5C)), find(sheet, (0xB4, 0x54, 0x0A))
    assert orange[1] < green[1], "each in its row"


def test_captions_of_any_kind_are_drawn(tmp_path):
    captions = ["x" * 500, "broken \udce9 name", "Ωμέγα", ""]
    contact(pictures(4, 8, 8), captions, tmp_path / "sheet.jpg", title="captions")
    assert read(tmp_path / "sheet.jpg").shape[1] == NARROWEST + 2 * MARGIN


def test_no_picture_is_a_sheet_too(tmp_path):
    contact(pictures(0, 8, 8), [], tmp_path / "sheet.png", title="nothing here")
    assert read(tmp_path / "sheet.png").size


def test_a_folder_that_is_missing_is_made_and_what_cannot_be_written_is_told(tmp_path):
    contact(pictures(1, 8, 8), [], tmp_path / "new" / "sheet.png", title="")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["sheet.png"]
    with pytest.raises(UsageError, match=r"'\.png'"):
        contact(pictures(1, 8, 8), [], tmp_path / "sheet.pgn", title="")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot write"):
        contact(pictures(1, 8, 8), [], tmp_path / "file" / "sheet.png", title="")
