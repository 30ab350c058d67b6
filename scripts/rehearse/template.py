"""template.yaml as the rehearsal deploys it: the same, with what is built already, and a way round the emulator's gaps."""

import re

from samcli.yamlhelper import yaml_parse


def for_rehearsal(text, code):
    """`code` has the folder with a function's bootstrap for each folder with its source."""
    text, count = re.subn(r"    Metadata:\n      BuildMethod: rust-cargolambda\n", "", text)
    text, folders = re.subn(r"CodeUri: (functions/\S+)", lambda found: f"CodeUri: {code[found[1]]}", text)
    assert count == folders == len(code), (count, folders)
    # To !Ref of a secret AWS answers with its ARN; the emulator, with its name, which no policy would match.
    for secret in ("StripeSecret", "TokenKeysSecret"):
        text, count = re.subn(rf"!Ref {secret}\b", f"!GetAtt {secret}.Id", text)
        assert count > 1, secret
    # The emulator knows no alarm over several metrics. Tests hold them, as rules over the template.
    return without(text, lambda block: "Type: AWS::CloudWatch::Alarm\n" in block and re.search(r"^ +Metrics:$", block, re.MULTILINE))


def without(text, unwanted):
    """The same without the resources that `unwanted` says yes to, going by their text."""
    before, resources, after = re.fullmatch(r"(.*\nResources:\n)(.*)(\nOutputs:\n.*)", text, re.DOTALL).groups()
    blocks = re.split(r"^(?=  \w+:\n)", resources, flags=re.MULTILINE)
    kept = [block for block in blocks if not unwanted(block)]
    assert len(kept) < len(blocks), "there is nothing to leave out"
    return before + "".join(kept) + after


def functions(text):
    """The folder with its source, for the name of each function."""
    resources = yaml_parse(text)["Resources"]
    return {name: got["Properties"]["CodeUri"] for name, got in resources.items() if got["Type"] == "AWS::Serverless::Function"}


def routes(text):
    return set(re.findall(r"RouteKey: (.+)", text))


def generated_secret(text, name):
    """What a secret is generated from: the JSON around it, its name there, and what is asked of the password."""
    asked = dict(yaml_parse(text)["Resources"][name]["Properties"]["GenerateSecretString"])
    return asked.pop("SecretStringTemplate"), asked.pop("GenerateStringKey"), asked


def without_lists(text):
    """The same without the right of `purchases` to read the index."""
    role = text.index("\n  PurchasesRole:")
    begin = text.index("              - Sid: Lists", role)
    end = text.index("\n  PurchasesLogs:", begin)
    return text[:begin].rstrip() + "\n" + text[end:]
