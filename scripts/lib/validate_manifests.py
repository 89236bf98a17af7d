"""Checks Kubernetes manifests against the schemas of Kubernetes' versions and of custom resources.

    validate_manifests.py VERSION[,VERSION...] CRD-FOLDER MANIFEST...

Kubernetes' own kinds are checked with the schemas that kubernetes-validate brings, strictly: an unknown
field is an error. Custom kinds are checked with the OpenAPI schemas of the custom resource definitions
in the folder, in which an unknown field is an error as well. What a schema cannot say (rules between
fields) is left to the cluster's own check in scripts/deploy.

Prints what it checked, and a line for each custom kind that has no definition here. Exit code 1 for
errors, 3 if custom kinds were left out.
"""

import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML as Kubernetes reads it: a lone `=` is a text."""


Loader.add_constructor("tag:yaml.org,2002:value", Loader.construct_yaml_str)


def documents(path):
    # Charts wrap some definitions into a condition.
    text = "\n".join(
        line for line in path.read_text().splitlines() if not line.startswith("{{")
    )
    return [document for document in yaml.load_all(text, Loader) if document]


def strict(schema):
    """The schema with every field refused that it does not name, as the API server would drop it."""
    if not isinstance(schema, dict):
        return schema
    # `default` and `example` may be anything, also what looks like a schema.
    schema = {key: value for key, value in schema.items() if key not in ("default", "example")}
    if "properties" in schema:
        schema["properties"] = {name: strict(inner) for name, inner in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in schema:
            schema[key] = strict(schema[key])
    if schema.pop("nullable", False) and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    if schema.get("x-kubernetes-int-or-string"):
        schema.pop("type", None)
        schema.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    keeps_unknown = schema.get("x-kubernetes-preserve-unknown-fields")
    if "properties" in schema and "additionalProperties" not in schema and not keeps_unknown:
        schema["additionalProperties"] = False
    return schema


def definitions(folder):
    """Schemas by (apiVersion, kind)."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*.yaml")):
        for document in documents(path):
            if document.get("kind") != "CustomResourceDefinition":
                continue
            spec = document["spec"]
            for version in spec["versions"]:
                schema = strict(version["schema"]["openAPIV3Schema"])
                schema["properties"] |= {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": {"type": "object"},
                }
                found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return found


def main():
    versions, folder, *manifests = sys.argv[1:]
    custom = definitions(folder)
    errors, without, counts = [], set(), {}

    def complain(path, document, version, message):
        name = f"{document['kind']} {document['metadata'].get('name')}"
        errors.append(f"{path}: {name} ({version}): {message}")

    for path in map(pathlib.Path, manifests):
        for document in documents(path):
            kind = (document["apiVersion"], document["kind"])
            if kind in custom:
                checker = jsonschema.Draft4Validator(custom[kind])
                for error in checker.iter_errors(document):
                    place = "/".join(map(str, error.absolute_path))
                    complain(path, document, kind[0], f"{place}: {error.message}")
                counts["custom"] = counts.get("custom", 0) + 1
                continue
            if "." in kind[0].split("/")[0] and not kind[0].split("/")[0].endswith(".k8s.io"):
                without.add(kind)
                continue
            for version in versions.split(","):
                try:
                    kubernetes_validate.validate(document, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    complain(path, document, version, f"{error.path}: {error.message}")
                except kubernetes_validate.SchemaNotFoundError:
                    # The Gateway API ends in .k8s.io and is a custom kind all the same.
                    if kind[0].startswith("gateway.networking.k8s.io/"):
                        without.add(kind)
                    else:
                        complain(path, document, version, "there is no such kind")
                counts[version] = counts.get(version, 0) + 1
    for version, count in counts.items():
        print(f"{count} objects against {version}")
    for kind in sorted(without):
        print(f"left out: {' '.join(kind)}")
    for error in errors:
        print(error, file=sys.stderr)
    sys.exit(1 if errors else 3 if without else 0)


main()
