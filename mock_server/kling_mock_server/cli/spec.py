"""`klingkit spec`: the effective document, its prose coverage, and its drift from a newer document of the vendor."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kling_mock_server.cli.contract_options import ContractOptions, contract_options
from kling_mock_server.cli.input_files import read_file
from kling_mock_server.cli.report_options import deliver, report_options
from kling_mock_server.cli.terminal import write_utf8
from kling_mock_server.reports.formats import FORMATS

if TYPE_CHECKING:
    from kling_contracts.drift.newer import NewerDocument

DOCUMENT_FORMATS: Final = ("yaml", "json")

_PATCH_HEAD: Final = """\
# Fits klingkit's overlays to a newer document of the vendor. Copy the documents into a folder, put the newer one in the
# place of the old one, and this file beside it under a name that ends in .patch.yaml; then load that folder.
"""


@click.command()
@click.option("--coverage", is_flag=True, help="Show which rule answers for which sentence; 1 if any is left over.")
@click.option("--diff", "newer", metavar="NEWER", help="Compare a newer document, a file, URL or -, clause by clause.")
@click.option("--patch", "patch", type=click.Path(dir_okay=False), help="With --diff: write what our overlays need.")
@click.option(
    "--fetch",
    type=click.Choice(["loopback", "any", "none"]),
    default="none",
    show_default=True,
    help="Whose URLs --diff downloads.",
)
@report_options(default=None, others=DOCUMENT_FORMATS)
@contract_options
def spec(
    coverage: bool,
    newer: str | None,
    patch: str | None,
    fetch: str,
    form: str | None,
    reports: tuple[str, ...],
    choice: ContractOptions,
) -> None:
    """Print the effective OpenAPI 3.1 document, how much of the vendor's prose it covers, or what a newer one changes.

    NEWER is OpenAPI as YAML or JSON, or a Markdown page with a block of it. Exit status of --diff: 0 nothing but
    cosmetic changes, 1 drift, 2 misuse.

    \b
    Example: klingkit spec --profile upstream > kling.openapi.yaml
    klingkit spec --diff newer.md --patch newer.patch.yaml
    """
    if newer is None and (patch or reports):
        raise click.UsageError("--patch and --report are for --diff")
    if newer is not None and coverage:
        raise click.UsageError("--coverage and --diff exclude each other")
    if newer is not None and choice.documents is not None:
        raise click.UsageError("--diff compares with the installed documents, and takes no --documents")
    if newer is not None:
        _diff(newer, patch, fetch, form or "text", reports)
    elif coverage:
        _coverage(choice)
    else:
        _print(form or "yaml", choice)


def _print(form: str, choice: ContractOptions) -> None:
    from kling_contracts.documents import loading

    if form not in DOCUMENT_FORMATS:
        raise click.UsageError(f"--format {form} is for --diff; the document is printed as yaml or json")
    write_utf8(loading.dump(dict(choice.load().document), form))


def _coverage(choice: ContractOptions) -> None:
    from kling_contracts.documents import loading
    from kling_contracts.documents.prose_coverage import coverage as covered
    from kling_contracts.documents.prose_coverage import coverage_text
    from kling_mock_server.reports.showable import can_show

    described = covered(loading.vendor(choice.documents), choice.load().document)
    click.echo(coverage_text(described, can_show))
    sys.exit(1 if any(one.uncovered or one.strays for one in described) else 0)


def _diff(name: str, patch: str | None, fetch: str, form: str, reports: tuple[str, ...]) -> None:
    from kling_contracts.drift.baseline import Baseline
    from kling_contracts.drift.comparing import compare
    from kling_contracts.drift.fitting import propose
    from kling_mock_server.reports.drift_report import drift_report

    if form not in FORMATS:
        raise click.UsageError(f"--format {form} is for the document; --diff is reported as {', '.join(FORMATS)}")
    newer = _read(name, fetch)
    baseline = Baseline.load()
    drift = compare(baseline, newer.document)
    proposal = propose(drift, baseline, newer.document)
    deliver(drift_report(name, newer, drift, proposal), form, reports)
    if patch:
        _write(patch, proposal.patch)
    sys.exit(1 if drift.is_real else 0)


def _write(name: str, patch: dict[str, Any]) -> None:
    from kling_contracts.documents import loading

    if not patch:
        click.echo(f"nothing to patch; {name} is not written", err=True)
        return
    try:
        Path(name).write_text(_PATCH_HEAD + loading.dump(patch, "yaml"), encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"cannot write {name}: {error.strerror}") from None
    click.echo(f"the patch is in {name}", err=True)


def _read(name: str, fetch: str) -> "NewerDocument":
    from kling_contracts.drift import newer
    from kling_contracts.errors import DocumentError

    try:
        return newer.read(_downloaded(name, fetch) if "://" in name else read_file(name), name)
    except DocumentError as error:
        # The document of the caller is wrong, none of ours.
        raise click.UsageError(str(error)) from None


def _downloaded(url: str, fetch: str) -> bytes:
    from kling_contracts.drift.newer import MAX_BYTES
    from kling_contracts.unknown import Unknown
    from kling_mock_server.outgoing.fetch import downloader

    if fetch == "none":
        raise click.UsageError(f"{url} is not downloaded unless you say --fetch any")
    data = downloader(fetch)(url, MAX_BYTES)
    if isinstance(data, Unknown):
        raise click.UsageError(f"cannot download {url}: {data.reason}; a redirect is not followed")
    return data
