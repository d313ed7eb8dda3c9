"""The image and the compose file name settings and commands that there are; no container engine runs them here."""

import json
import re

import yaml

from context0.settings import Settings
from tests.command_line import ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
IMAGE = (ROOT / "Dockerfile").read_text("utf-8")


def test_every_setting_that_is_named_is_one() -> None:
    named = set(re.findall(r"\bCONTEXT0_([A-Z_]+)\b", IMAGE)) | {
        name.removeprefix("CONTEXT0_") for name in COMPOSE["services"]["context0"]["environment"]
    }
    assert named
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_the_service_waits_for_its_stores_and_runs_as_nobody_special() -> None:
    assert set(COMPOSE["services"]["context0"]["depends_on"]) == set(COMPOSE["services"]) - {"context0"}
    assert all("healthcheck" in COMPOSE["services"][name] for name in ("mongodb", "redis"))
    assert "replicaSet=" in COMPOSE["services"]["context0"]["environment"]["CONTEXT0_STORE_URL"]
    assert re.search(r"^USER context0$", IMAGE, re.MULTILINE)
    (command,) = re.findall(r"^CMD (\[.*\])$", IMAGE, re.MULTILINE)
    assert json.loads(command)[0] == "serve"
