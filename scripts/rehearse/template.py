"""Adapts template.yaml to the rehearsal: works around the emulator's gaps, and breaks it on purpose."""

import re

from samcli.yamlhelper import yaml_parse


def for_rehearsal(text):
    """The template as the emulator can deploy it."""
    # For AWS, !Ref of a secret is its ARN; for the emulator it is the name, which no policy would match.
    for secret in ("StripeSecret", "TokenKeysSecret"):
        text, count = re.subn(rf"!Ref {secret}\b", f"!GetAtt {secret}.Id", text)
        assert count > 1, secret
    # The stand-in for Stripe has no TLS.
    text, count = re.subn(r"(  Stripe(?:Api|Connect)Base:\n(?:    .*\n)*?    AllowedPattern: )https:", r"\1https?:", text)
    assert count == 2, count
    # The emulator does not support alarms over several metrics. Tests of the template cover them.
    return without(text, lambda block: "Type: AWS::CloudWatch::Alarm\n" in block and re.search(r"^ +Metrics:$", block, re.MULTILINE))


def without(text, unwanted):
    """The template without the resources whose text is `unwanted`."""
    before, resources, after = re.fullmatch(r"(.*\nResources:\n)(.*)(\nOutputs:\n.*)", text, re.DOTALL).groups()
    blocks = re.split(r"^(?=  \w+:\n)", resources, flags=re.MULTILINE)
    kept = [block for block in blocks if not unwanted(block)]
    assert len(kept) < len(blocks), "there is nothing to remove"
    return before + "".join(kept) + after


def functions(text):
    """The folder with each function's bootstrap, by the function's name."""
    resources = yaml_parse(text)["Resources"]
    return {name: got["Properties"]["CodeUri"] for name, got in resources.items() if got["Type"] == "AWS::Serverless::Function"}


def routes(text):
    return set(re.findall(r"RouteKey: (.+)", text))


def generated_secret(text, name):
    """How a secret is generated: the JSON around it, its key there, and the password's requirements."""
    asked = dict(yaml_parse(text)["Resources"][name]["Properties"]["GenerateSecretString"])
    return asked.pop("SecretStringTemplate"), asked.pop("GenerateStringKey"), asked


def without_lists(text):
    """The template without the permission of `purchases` to read the index."""
    role = text.index("\n  PurchasesRole:")
    begin = text.index("              - Sid: Lists", role)
    end = text.index("\n  PurchasesLogs:", begin)
    return text[:begin].rstrip() + "\n" + text[end:]


def published(text, release):
    """The template of this release. The emulator tells SAM the parameters' defaults and not their values."""
    text, count = re.subn(r'(\n  Release:\n    Type: String\n    Default: )"0"', rf'\g<1>"{release}"', text)
    assert count == 1, count
    return text


def failing(text):
    """The template with a resource that cannot be made: an alias that exists, and only after it has moved."""
    broken = """  Broken:
    Type: AWS::Lambda::Alias
    DependsOn: PurchasesFunctionAliaslive
    Properties:
      Name: live
      FunctionName: !Ref PurchasesFunction
      FunctionVersion: $LATEST

"""
    return text.replace("\nOutputs:\n", f"\n{broken}Outputs:\n")
