"""A key of the label file that finds images of several patients stops the site, everywhere."""

from pathlib import Path

import pytest
from pydicom import dcmread
from tests.conftest import MakePlan

from medfl_client.config.site_file import load_site_file
from medfl_client.data.ingest import collect
from medfl_client.readiness.assess import assess
from medfl_common.errors import DataError
from medfl_common.plan.plan import load_plan


@pytest.mark.parametrize("join", ["AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID"])
def test_a_key_of_several_patients_stops_readiness_and_training_and_says_how_many(
    join: str, hospitals: Path, make_plan: MakePlan
) -> None:
    folder, lines = hospitals / "site-1", ["key,finding"]
    own: dict[str, str] = {}  # a key of each patient
    for path in sorted((folder / "dicom").rglob("*.dcm")):
        header = dcmread(path)
        patient = str(header.PatientID)
        if patient not in own:
            own[patient] = f"1.2.{len(own)}"
            lines.append(f"{own[patient]},{'opacity' if len(own) % 2 else 'normal'}")
        setattr(header, join, own[patient])
        header.save_as(path)
    (folder / "labels.csv").write_text("\n".join(lines))
    text = (folder / "site.yaml").read_text()
    data = load_site_file(folder).data
    text = text.replace(f"join: {data.join}", f"join: {join}")
    (folder / "site.yaml").write_text(text.replace(f"_column: {data.join_column}", "_column: key"))
    site, plan = load_site_file(folder), load_plan(make_plan())
    good = collect(folder, folder / "state", site.data, plan)
    shared, n_images = [*own][:3], 0
    for path in sorted((folder / "dicom").rglob("*.dcm")):
        header = dcmread(path)
        if str(header.PatientID) in shared:
            n_images += 1
            setattr(header, join, own[shared[0]])
            header.save_as(path)

    with pytest.raises(DataError, match="images of several patients") as stop:
        collect(folder, folder / "state", site.data, plan)
    seen = [f for f in assess(folder, site, plan).findings if f.state == "fail"]

    assert len(good.samples) == 40
    said = f"1 value of {join} in labels.csv finds images of several patients, line 2 those of 3"
    assert stop.value.what.startswith(f"{said}: {n_images} images")
    assert seen[0].seen == stop.value.what
    assert "StudyInstanceUID or SOPInstanceUID" in seen[0].todo
