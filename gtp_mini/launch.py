"""A Sphinx extension: buttons that open a chapter elsewhere, each with a file that can be opened there.

Pages without code have none.

* "Notebook" is the chapter as it was run for the book, to open in JupyterLab: always there, also without a network.
* "Colab" and "Binder" open the committed notebook of the repository that the book was built from, if its `origin` is on
  GitHub: in a fork they are the fork's. Colab opens no Markdown, so it is never the chapter's source.
* "JupyterHub" is there if `launch_buttons: jupyterhub_url` in _config.yml says where the hub is.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlencode

COMMITTED = "tests/notebooks"  # folder of the notebooks that are in the repository
ADDRESS = re.compile(r"(?:git@|ssh://git@|https://(?:[^@/]+@)?)github\.com[:/]([\w.-]+)/([\w.-]+?)(?:\.git)?/?$")


def origin(folder: Path) -> tuple[str, str] | None:
    """Owner and name on GitHub of the repository that a folder is a clone of, None if it is of none."""
    try:
        found = subprocess.run(["git", "-C", str(folder), "remote", "get-url", "origin"], capture_output=True,
                               text=True)
    except FileNotFoundError:
        return None  # no git here
    matched = ADDRESS.match(found.stdout.strip())
    return matched and matched.groups()


def addresses(page: str, repository: tuple[str, str] | None, hub: str = "", branch: str = "main") -> dict[str, str]:
    """Where a chapter opens on other machines, by name; empty without a repository."""
    if repository is None:
        return {}
    owner, name = repository
    file = f"{COMMITTED}/{page}.ipynb"
    found = {"Colab": f"https://colab.research.google.com/github/{owner}/{name}/blob/{branch}/{file}",
             "Binder": f"https://mybinder.org/v2/gh/{owner}/{name}/{branch}?urlpath=lab/tree/{file}"}
    if hub:
        query = urlencode({"repo": f"https://github.com/{owner}/{name}", "branch": branch,
                           "urlpath": f"lab/tree/{name}/{file}"}, safe="/")
        found["JupyterHub"] = f"{hub.rstrip('/')}/hub/user-redirect/git-pull?{query}"
    return found


def has_code(notebook: Path) -> bool:
    """Whether there is such a notebook, and a code cell in it."""
    return notebook.exists() and any(c["cell_type"] == "code" for c in json.loads(notebook.read_text("utf8"))["cells"])


def _add_buttons(app, pagename, templatename, context, doctree) -> None:
    run = Path(app.outdir).parent / "jupyter_execute" / f"{pagename}.ipynb"
    if "header_buttons" not in context or not has_code(run):
        return
    target = Path(app.outdir) / "_sources" / f"{pagename}.ipynb"
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(run, target)
    hub = app.config.html_theme_options.get("launch_buttons", {}).get("jupyterhub_url", "")
    places = {"Notebook": f"_sources/{pagename}.ipynb"} | addresses(pagename, origin(Path(app.srcdir)), hub)
    tips = {"Notebook": "The chapter as it was run: save it, open it in JupyterLab"}
    buttons = [{"type": "link", "text": name, "url": url, "tooltip": tips.get(name, f"Open in {name}"),
                "icon": "fas fa-download" if name == "Notebook" else "fas fa-rocket"} for name, url in places.items()]
    context["header_buttons"].append({"type": "group", "label": "open-elsewhere", "icon": "fas fa-rocket",
                                      "tooltip": "Open this chapter elsewhere", "buttons": buttons})


def setup(app) -> dict:
    """Called by Sphinx (see _config.yml)."""
    app.connect("html-page-context", _add_buttons, priority=800)  # after the theme has made its list of buttons
    return {"parallel_read_safe": True, "parallel_write_safe": True}
