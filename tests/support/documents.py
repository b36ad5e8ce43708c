"""Documents followed as a reader follows them: each command pasted, in order, into one shell in an empty folder.

```console   commands after `$ `, each with its output; `refused` behind the word says that a refusal is meant
```sh        commands without output, such as `klingkit serve &`; `clone` says that they need the repository
```python    a program; `excerpt` says that it is part of a suite, whose tests run it
```text      with `printed`: what the program above prints

`python -m support.documents [NAME...]`, in tests/, writes what the commands really print into the documents.
"""

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from support.ports import free_port

ROOT = Path(__file__).parents[2]
SHELL = ("console", "sh")
SHOWN_PORT = "8080"
# A command may send thousands of requests, and the machine be busy: only a failing test waits that long.
PATIENCE_S = 300
EXAMPLE_OF = {"docs/ci.md": "examples/integrator"}
"""Pages that are followed in a copy of an example."""

_FENCED = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_HEREDOC = re.compile(r"<<-?\s*'?(\w+)'?")
_SERVES = re.compile(r"^klingkit (serve|proxy)\b.*&$")
# An answer with a status of 400 or more, as curl shows it: its head, its envelope, or the status alone.
_REFUSAL = re.compile(r'^HTTP/\S+ [45]\d\d|^\{"code":[1-9]|^[45]\d\d\b|^X-Contract-Violations: ', re.MULTILINE)

# What differs from run to run; everything else must be equal to the letter.
_VOLATILE = [
    (r"/_mock/files/[0-9a-f]{48}/", "/_mock/files/<folder>/"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", "<request id>"),
    (r"(?<!\d)\d{18}(?!\d)", "<id>"),
    (r'"(created_at|updated_at|now_ms)":\d{13}', r'"\1":<ms>'),
    (r"Date: .*", "Date: <date>"),
    (r"Server: klingkit/.*", "Server: <server>"),
    (r"\bin \d+\.\d+ ?s\b", "in <seconds> s"),
    (r"\b\d+ bytes", "<n> bytes"),
    (r"=+", "="),
]


class Block(NamedTuple):
    """A fenced block of a document."""

    language: str
    marks: frozenset[str]
    text: str
    start: int
    """Offset of the text in the document, in characters."""


class Command(NamedTuple):
    """One command, of one or several lines, and the output that the document shows."""

    text: str
    shown: str


class Printed(NamedTuple):
    """What a command printed, with the port as documents show it."""

    output: str
    status: int


def blocks_of(document):
    """Return the fenced blocks of a document, in its order."""
    found = []
    for match in _FENCED.finditer(document):
        language, *marks = match["info"].split() or [""]
        found.append(Block(language, frozenset(marks), match["text"], match.start("text")))
    return found


def commands_of(block):
    """Return the commands of a `console` or `sh` block."""
    prompt = "$ " if block.language == "console" else ""
    commands = []
    lines = iter(block.text.splitlines())
    for line in lines:
        if prompt and not line.startswith(prompt):
            commands[-1] = commands[-1]._replace(shown=f"{commands[-1].shown}{line}\n")
        elif line and not line.startswith("#"):
            text = line.removeprefix(prompt)
            while not _is_complete(text):
                text += "\n" + next(lines)
            commands.append(Command(text, ""))
    return commands


def _is_complete(text):
    """Return whether a shell would run the text, rather than wait for another line."""
    heredoc = _HEREDOC.search(text)
    if heredoc:
        return text.splitlines()[-1] == heredoc[1]
    return not text.endswith("\\") and text.count("'") % 2 == 0


def is_refusal(printed):
    """Return whether a command failed, or shows an answer with a status of 400 or more."""
    return printed.status != 0 or bool(_REFUSAL.search(printed.output))


def steady(text):
    """Return an output without what differs from run to run."""
    for pattern, replacement in _VOLATILE:
        text = re.sub(pattern, replacement, text)
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip()


class Reader:
    """One reader with one shell, in a folder of its own; `bin_folder` holds the commands of the installed wheel."""

    def __init__(self, folder, bin_folder):
        self.port = str(free_port())
        self._folder = folder
        self._outputs = tempfile.TemporaryDirectory(prefix="klingkit-docs-")
        self._count = 0
        self._fifo = Path(self._outputs.name, "statuses")
        os.mkfifo(self._fifo)
        # For both: a reader alone would wait for the first writer.
        self._statuses = os.open(self._fifo, os.O_RDWR)
        self._shell = subprocess.Popen(
            ["sh"],
            cwd=folder,
            env=_environment(bin_folder, self.port),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            encoding="utf-8",
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The whole group: what the document left running ends with its reader.
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._shell.pid, number)
            except ProcessLookupError:
                break
            time.sleep(0.05)
        self._shell.communicate()
        os.close(self._statuses)
        self._outputs.cleanup()

    def paste(self, text):
        """Paste one command; returns what it printed. A server in the background is waited for."""
        self._count += 1
        output = Path(self._outputs.name, str(self._count))
        pasted = f"{{ {self._here(text)}\n}} >'{output}' 2>&1 </dev/null\necho $? >'{self._fifo}'\n"
        self._shell.stdin.write(pasted)
        self._shell.stdin.flush()
        status = self._status()
        if _SERVES.search(text.splitlines()[-1]):
            self._wait_for_server()
            self._wait_for_welcome(text, output)
        printed = output.read_text(encoding="utf-8") if output.exists() else ""
        return Printed(re.sub(rf"\b{self.port}\b", SHOWN_PORT, printed), status)

    def run_python(self, text):
        """Run a program of the document; returns what it printed."""
        program = Path(self._outputs.name, "program.py")
        program.write_text(self._here(text), encoding="utf-8")
        # As standard input it imports from the reader's folder.
        return self.paste(f"python - <'{program}'")

    def _here(self, text):
        return re.sub(rf"(?<=:){SHOWN_PORT}\b", self.port, text)

    def _status(self):
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            ready, _, _ = select.select([self._statuses], [], [], 1)
            if ready:
                return int(os.read(self._statuses, 16))
            # A syntax error ends the shell.
            if self._shell.poll() is not None:
                return self._shell.returncode
        raise TimeoutError(f"no end after {PATIENCE_S} s")

    def _wait_for_server(self):
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", int(self.port))).close()
                return
            except OSError:
                time.sleep(0.02)
        raise TimeoutError(f"nothing listens after {PATIENCE_S} s")

    @staticmethod
    def _wait_for_welcome(text, output):
        """Wait until a server has said how it is ended, which is after it can be reached, and last."""
        until = time.monotonic() + PATIENCE_S
        while ">" not in text and "Ctrl-C" not in output.read_text(encoding="utf-8"):
            if time.monotonic() > until:
                raise TimeoutError(f"no welcome after {PATIENCE_S} s")
            time.sleep(0.02)


def _environment(bin_folder, port):
    own = Path(sys.executable).parent
    rest = [part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != own]
    return {
        "PATH": os.pathsep.join([str(bin_folder), *rest]),
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "COLUMNS": "80",
        "KLINGKIT_PORT": port,
        "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:randomly",
        "PYTHONDONTWRITEBYTECODE": "1",
        # What a document installs is there already, or lies beside it.
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_QUIET": "1",
    }


def install_wheel(folder):
    """Build the wheel, install it into an environment of its own in `folder`, and return that one's bin folder.

    Dependencies and test tools come from the environment that runs this; its editable klingkit does not.
    """
    _run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, ROOT)
    _run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    (wheel,) = folder.glob("*.whl")
    (bin_folder,) = folder.glob("venv/bin")
    python = bin_folder / "python"
    _run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    (site,) = folder.glob("venv/lib/python*/site-packages")
    own = [path for path in sys.path if Path(path).name == "site-packages"]
    (site / "tools.pth").write_text("\n".join(own))
    for tool in ("pip", "pytest"):
        script = bin_folder / tool
        script.write_text(f'#!/bin/sh\nexec "{python}" -m {tool} "$@"\n')
        script.chmod(0o755)
    return bin_folder


def _run(*command):
    done = subprocess.run(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stdout)


@contextmanager
def reader_of(name, folder, bin_folder):
    """Give the document of that name a reader: in an empty folder, or in a copy of the example that it describes."""
    example = Path(name).parent.as_posix() if name.startswith("examples/") else EXAMPLE_OF.get(name)
    if example:
        folder = folder / "example"
        shutil.copytree(ROOT / example, folder)
    with Reader(folder, bin_folder) as reader:
        yield reader


def followed(document, reader):
    """Yield each block that is run with its commands and what they printed, in the document's order."""
    printed = None
    for block in blocks_of(document):
        if block.marks & {"clone", "excerpt"}:
            continue
        if block.language in SHELL:
            yield block, [(command, reader.paste(command.text)) for command in commands_of(block)]
        elif block.language == "python":
            printed = reader.run_python(block.text)
            yield block, [(Command(block.text, ""), printed)]
        elif "printed" in block.marks:
            yield block, [(Command("the program above", block.text), printed)]


def hold(block, commands):
    """Fail where a block did not do what a reader takes from it."""
    for command, printed in commands:
        said = f"{command.text}\n{printed.output}"
        assert "Traceback (most recent call last)" not in printed.output, said
        assert "refused" in block.marks or not is_refusal(printed), f"is a refusal, status {printed.status}: {said}"
        assert not shows_output(block) or steady(printed.output) == steady(command.shown), command.text
    if shows_output(block):
        assert any(printed.output.strip() for _, printed in commands), f"prints nothing: {block.text}"
    if "refused" in block.marks:
        assert any(is_refusal(printed) for _, printed in commands), f"nothing is refused: {block.text}"


def rewritten(document, reader):
    """Return a document with the outputs that its commands have now; as it is where nothing but ids would change."""
    parts = []
    end = 0
    is_changed = False
    for block, commands in followed(document, reader):
        if shows_output(block):
            is_changed |= any(steady(printed.output) != steady(command.shown) for command, printed in commands)
            parts.append(document[end : block.start])
            parts += [_shown(block, command, printed) for command, printed in commands]
            end = block.start + len(block.text)
    return "".join([*parts, document[end:]]) if is_changed else document


def shows_output(block):
    """Return whether a block shows what was printed."""
    return block.language == "console" or "printed" in block.marks


def _shown(block, command, printed):
    text = re.sub(r"[ \t\r]+$", "", printed.output, flags=re.MULTILINE)
    output = text.rstrip("\n") + "\n" if text.strip() else ""
    return f"$ {command.text}\n{output}" if block.language == "console" else output


def pages():
    """Return every document, as paths in the repository."""
    globs = ("*.md", "docs/*.md", "docs/zh/*.md", "examples/*/README.md")
    return sorted(path.relative_to(ROOT).as_posix() for one in globs for path in ROOT.glob(one))


def names():
    """Return the documents that show commands of their own, as paths in the repository; a translation has none."""
    return [name for name in pages() if name not in TRANSLATIONS and _shows_commands(ROOT / name)]


def _shows_commands(path):
    blocks = blocks_of(path.read_text(encoding="utf-8"))
    return any(block.language in SHELL and "clone" not in block.marks for block in blocks)


TRANSLATIONS = {
    "README.zh-CN.md": "README.md",
    **{f"docs/zh/{path.name}": f"docs/{path.name}" for path in sorted(ROOT.glob("docs/zh/*.md"))},
}
"""The document in Chinese, and the one in English whose blocks it shows."""


def with_blocks_of(document, other):
    """Return a document with the blocks of another that shows the same; programs keep their comments."""
    parts = []
    end = 0
    for block, like in zip(blocks_of(document), blocks_of(other), strict=True):
        is_kept = "clone" in block.marks or without_comments(block.text) == without_comments(like.text)
        parts += [document[end : block.start], block.text if is_kept else like.text]
        end = block.start + len(block.text)
    return "".join([*parts, document[end:]])


def without_comments(text):
    """Return the lines of a block without what stands behind ` #`."""
    return [line.partition("  #")[0].rstrip() for line in text.splitlines()]


def main(chosen):
    """Rewrite the outputs of the chosen documents, by default of all but the page of Schemathesis.

    A translation gets the blocks of its original.
    """
    with tempfile.TemporaryDirectory(prefix="klingkit-docs-") as temporary:
        bin_folder = install_wheel(Path(temporary))
        for name in chosen or [name for name in names() if name != "docs/schemathesis.md"]:
            folder = Path(temporary, name.replace("/", "-"))
            folder.mkdir()
            before = (ROOT / name).read_text(encoding="utf-8")
            with reader_of(name, folder, bin_folder) as reader:
                after = rewritten(before, reader)
            (ROOT / name).write_text(after, encoding="utf-8")
            print(f"{name}: {'as it was' if after == before else 'rewritten'}")
    for chinese, english in TRANSLATIONS.items():
        texts = [(ROOT / name).read_text(encoding="utf-8") for name in (chinese, english)]
        (ROOT / chinese).write_text(with_blocks_of(*texts), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
