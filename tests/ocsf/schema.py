"""Writes detection_finding.schema.json: JSON Schema of the OCSF class 2004 and the objects that it needs.

Run it in a virtual environment that has the package `ocsf-json-schema==1.2.0`, which carries the schema as
schema.ocsf.io exports it. Titles are left out: they are for people. One definition a line, so that a change shows.
"""

import json
import pathlib

from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

VERSION = "1.8.0"
PROFILES = ["container", "datetime", "host", "linux", "security_control"]
COMMENT = (
    f"OCSF {VERSION}, class detection_finding (2004), profiles {', '.join(PROFILES)}. Made by schema.py from the schema of "
    "https://github.com/ocsf/ocsf-schema, Copyright OCSF a Series of LF Projects, LLC, Apache-2.0."
)


def without_titles(schema):
    if isinstance(schema, dict):
        return {key: without_titles(value) for key, value in schema.items() if not titled(key, value)}
    if isinstance(schema, list):
        return [without_titles(item) for item in schema]
    return schema


def titled(key, value):
    """An attribute may be called `title`: its value is a schema, not a text."""
    return key == "title" and isinstance(value, (str, type(None)))


def line(name, value):
    return f"{json.dumps(name)}: {json.dumps(value, sort_keys=True, separators=(',', ':'))}"


def main():
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION)).get_class_schema("detection_finding", PROFILES)
    schema = without_titles(schema)
    definitions = schema.pop("$defs")
    head = [line("$comment", COMMENT)] + [line(key, schema[key]) for key in sorted(schema)]
    body = ",\n".join(line(name, definitions[name]) for name in sorted(definitions))
    text = "{\n" + ",\n".join(head) + ',\n"$defs": {\n' + body + "\n}\n}\n"
    pathlib.Path(__file__).with_name("detection_finding.schema.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
