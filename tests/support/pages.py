"""The pages of the repository, for the tests that hold them to what is there: README.md and those in the folders."""
import os
import re

ROOT = os.path.abspath(os.environ.get("ROOT", os.path.join(os.path.dirname(__file__), "..", "..")))
LANGUAGES = {"sh", "yaml", "python", "r", "c", "text"}


class Page:
    def __init__(self, path):
        self.path, self.folder = path, os.path.dirname(path)
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            self.text = file.read()
        self.fences = []  # (language, text, the line in front of it), in their order
        prose, fence, before = [], None, ""
        for line in self.text.split("\n"):
            if line.startswith("```") and fence is None:
                fence = (line[3:].strip(), [], before)
            elif line.startswith("```"):
                self.fences.append((fence[0], "\n".join(fence[1]) + "\n", fence[2]))
                fence = None
            elif fence is not None:
                fence[1].append(line)
            else:
                prose.append(line)
                before = line if line.strip() else before
        assert fence is None, f"{path}: a fence is not closed"
        self.prose = "\n".join(prose)
        self.spans = re.findall(r"`([^`\n]+)`", self.prose)

    def commands(self, text):
        """The commands of a fence of shell: lines, those that end in a backslash with the next, without comments behind them."""
        for line in text.replace("\\\n", " ").split("\n"):
            line = re.sub(r"\s+#\s.*$", "", line).strip()
            if line and not line.startswith("#"):
                yield re.sub(r"\s+", " ", line)

    def anchors(self):
        """Where links into the page may lead, as GitHub calls its headings."""
        for heading in re.findall(r"^#+ (.*)$", self.prose, re.M):
            words = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower())
            yield words.replace(" ", "-")


def pages():
    """All of them, README.md first, then by path; those that tell what is to be done before those that hold results."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [f for f in folders if f[0] != "." and not f.startswith("build") and f != "gpu-results"]
        here = os.path.relpath(folder, ROOT)
        # Of results/ what is beside its files is a run's.
        if here == "results":
            folders[:] = []
        found += [os.path.normpath(os.path.join(here, f)) for f in files if f.endswith(".md")]
    return [Page(p) for p in sorted(found, key=lambda p: (p != "README.md", p))]
