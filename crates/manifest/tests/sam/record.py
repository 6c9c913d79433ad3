"""Records what the public SAM transform makes of the templates in `cases/`.

    pip install aws-sam-translator==1.115.0 pyyaml
    python3 record.py

Writes `expected/NAME.json` for each `cases/NAME.yaml`. Paths of code are packaged first, as `sam package` does
it, with `local-artefacts` for a bucket; names of AWS's own policies become ARNs by the list that the translator
brings along.
"""
import json
import os
import pathlib

os.environ["AWS_DEFAULT_REGION"] = "us-east-1"

from samtranslator.internal.managed_policies import get_bundled_managed_policy_map
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

HERE = pathlib.Path(__file__).parent
BUCKET = "local-artefacts"
PATHS = ("CodeUri", "ContentUri")


def packaged(properties):
    for name in PATHS:
        path = properties.get(name)
        if isinstance(path, str) and not path.startswith("s3://"):
            properties[name] = {"Bucket": BUCKET, "Key": os.path.normpath(path)}


class Policies:
    def load(self):
        return get_bundled_managed_policy_map("aws")


def main():
    (HERE / "expected").mkdir(exist_ok=True)
    for case in sorted((HERE / "cases").glob("*.yaml")):
        template = json.loads(json.dumps(yaml_parse(case.read_text())))
        for resource in template["Resources"].values():
            packaged(resource.get("Properties") or {})
        parameters = {"AWS::Region": "us-east-1", "AWS::Partition": "aws"}
        written = transform(template, parameters, Policies())
        written.pop("Transform", None)
        text = json.dumps(written, indent=1, sort_keys=True)
        (HERE / "expected" / (case.stem + ".json")).write_text(text + "\n")


main()
