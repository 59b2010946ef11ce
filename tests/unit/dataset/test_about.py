"""The user's own file about the images: what it says reaches dataset.json, and each mistake is one sentence."""

from pathlib import Path

import pytest

from steelyard.dataset.build import build_dataset
from steelyard.dataset.manifest import DatasetManifest
from steelyard.errors import DatasetError, ParamsError
from steelyard.params import check_params, read_yaml
from steelyard.sections import AboutParams

ROOT = Path(__file__).parents[3]


@pytest.fixture
def build(voc: Path, make_params, tmp_path: Path):
    """Build from the source with a file about its images; what was said goes to ``said``."""

    def build(content: str | bytes | None, *columns: str, place: str = "data/raw/about.csv", **changes):
        path = (tmp_path if place.startswith("data/raw/") else voc) / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        params = make_params(voc, about=AboutParams(csv=place, columns=columns), **changes)
        build.said = []
        return build_dataset(
            params, tmp_path, tmp_path / "out/dataset", tmp_path / "out/dataset.json", build.said.append
        )

    return build


def read_columns(manifest: DatasetManifest) -> dict[str, dict[str, str]]:
    return {record.origin: record.columns for record in manifest.images if record.columns}


def test_what_the_file_says_reaches_each_image_and_nothing_that_is_trained_on(
    build, voc, make_params, tmp_path
) -> None:
    plain = build_dataset(make_params(voc), tmp_path, tmp_path / "plain", tmp_path / "plain.json", str)
    assert '"columns"' not in (tmp_path / "plain.json").read_text()
    manifest = build("image,weather,camera\n00.png,fog,A\n01.png, clear ,\n02.png,,\n")
    assert read_columns(manifest) == {"00.png": {"weather": "fog", "camera": "A"}, "01.png": {"weather": "clear"}}
    assert "data/raw/about.csv: weather of 2, camera of 1 of the 20 images" in build.said
    assert DatasetManifest.model_validate_json((tmp_path / "out/dataset.json").read_bytes()) == manifest
    assert manifest.fingerprint == plain.fingerprint
    for path in (tmp_path / "plain").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "out/dataset" / path.relative_to(tmp_path / "plain")).read_bytes()


def test_tiles_have_what_their_photograph_has(build) -> None:
    manifest = build("image,site\n03.png,north\n", tile=16)
    assert [record.columns for record in manifest.images if record.origin == "03.png"] == [{"site": "north"}] * 12
    assert sum(bool(record.columns) for record in manifest.images) == 12


def test_images_that_are_not_used_may_stand_there(build) -> None:
    manifest = build("image,site\n03.png,north\n12.png,south\n", include=("0*",), by="fraction", seed=2)
    assert read_columns(manifest) == {"03.png": {"site": "north"}}


@pytest.mark.parametrize(
    "content",
    [
        "image;site\n03.png;a\n",
        "\ufefffilename\tsite\n03.png\ta\n",
        "site,path\r\na,./03.png\r\n\r\n",
        "image,site\n/home/me/photos/03.png,a\n",
        '"image","site"\n"03.png","a"\n',
    ],
)
def test_usual_ways_to_write_it(build, voc, content: str) -> None:
    if "/home/me" in content:  # no path below the source: the file name alone could be another image's
        with pytest.raises(
            DatasetError, match="1 rows name no image of the source, or one of several: /home/me/photos"
        ):
            build(content)
        return
    assert read_columns(build(content)) == {"03.png": {"site": "a"}}


def test_the_end_of_a_path_is_enough_where_it_fits_one_image(build, voc) -> None:
    for number in range(10):
        (voc / "north" if number < 5 else voc / "south").mkdir(exist_ok=True)
        for suffix in ("png", "xml"):
            file = voc / f"{number:02}.{suffix}"
            file.rename(voc / ("north" if number < 5 else "south") / file.name)
    (voc / "south/00.png").write_bytes((voc / "south/05.png").read_bytes())
    (voc / "south/00.xml").write_bytes((voc / "south/05.xml").read_bytes())
    assert read_columns(build("image,site\n01.png,a\nsouth/06.png,b\n", seed=3)) == {
        "north/01.png": {"site": "a"},
        "south/06.png": {"site": "b"},
    }
    with pytest.raises(DatasetError, match=r"1 rows name no image of the source, or one of several: 00\.png"):
        build("image,site\n00.png,a\n", seed=3)


def test_it_may_lie_in_the_source_and_name_images_from_its_own_folder(build, voc) -> None:
    assert read_columns(build("image,site\n03.png,a\n", place="about.csv")) == {"03.png": {"site": "a"}}
    assert read_columns(build("image,site\n03.png,a\n", place="meta/about.csv")) == {"03.png": {"site": "a"}}


def test_columns_are_chosen_by_name(build) -> None:
    content = "id,image,site,brightness,\n1,00.png,a,9,x\n2,01.png,b,9,x\n"
    assert read_columns(build(content, "site")) == {"00.png": {"site": "a"}, "01.png": {"site": "b"}}


@pytest.mark.parametrize(
    ("content", "columns", "place", "message"),
    [
        (None, (), "data/raw/about.csv", "no such file in this repository; give a path that begins with data/raw/"),
        (None, (), "about.csv", "no such file in the source"),
        ("image,site\n", (), "../about.csv", "no such file in the source"),
        ("", (), "about.csv", "has no header with a column for the image .*its first line is ''"),
        (
            "00.png,fog\n",
            (),
            "about.csv",
            "has no header with a column for the image .*'00.png, fog'; name the columns",
        ),
        ("image\n00.png\n", (), "about.csv", "has no column but that of the image"),
        ("image,site\n00.png,a\n", ("sight",), "about.csv", "has no column sight, .* names; there are image, site"),
        ("image,site,site\n00.png,a,b\n", (), "about.csv", "has the column site twice; rename it"),
        ("image,,site\n00.png,a,b\n", (), "about.csv", "has a column without a name"),
        ("image,group\n00.png,a\n", (), "about.csv", "has the column group, as Steelyard itself calls one"),
        ("image,site\n00.png,a\n00.png,b\n", (), "about.csv", "1 images stand there more than once: 00.png"),
        ("image,site\n00.png,a\n./00.png,a\n", (), "about.csv", "1 images stand there more than once: 00.png"),
        ("image,site\n99.png,a\nx.png,b\n", (), "about.csv", "2 rows name no image .*: 99.png, x.png; write the path"),
        ("image,site\n,a\n", (), "about.csv", r"1 rows name no image of the source, or one of several: \(empty\)"),
        ("image,site\n00.png,a,b\n", (), "about.csv", "line 2 has 3 columns, the header 2"),
        ("image,site\n00.png\n", (), "about.csv", "line 2 has 1 columns, the header 2"),
        (f"image,site\n00.png,{'a' * 61}\n", (), "about.csv", "line 2: site has 61 characters, of at most 60"),
        (b"image,site\n00.png,\xff\n", (), "about.csv", "cannot be understood near line"),
        ('image,site\n00.png,"a\n', (), "about.csv", "cannot be understood near line"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_setting(build, content, columns, place, message, tmp_path) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        build(content, *columns, place=place)
    assert str(caught.value).startswith(f"fetch.about.csv = '{place}': ")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out/dataset").exists()


def test_columns_without_a_file_are_refused() -> None:
    values = read_yaml(ROOT / "params.yaml")
    values["fetch"]["about"] = {"csv": "", "columns": ["site"]}
    with pytest.raises(ParamsError, match="columns are named, but csv names no file"):
        check_params(values, "params.yaml")
