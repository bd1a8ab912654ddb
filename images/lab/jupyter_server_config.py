"""JupyterLab's settings in this image."""

import os

from lab_static import CompressedFiles

c = get_config()  # noqa: F821

# Completion and the aliases of a person's own ~/.profile need a login shell.
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash", "-l"]}

# A trash that nobody can open would fill the home, and nothing could be deleted in one that is full.
c.FileContentsManager.delete_to_trash = False

# A lab at work asks nobody outside whether there is news or a newer release.
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"

# There is no language server in here. Who installs one sets this to True in ~/.jupyter/jupyter_server_config.py.
c.LanguageServerManager.autodetect = False

# Where the start script has found the home to be full.
if "LAB_SIGNATURES" in os.environ:
    c.NotebookNotary.db_file = os.environ["LAB_SIGNATURES"]

# Scripts are sent compressed.
c.ServerApp.tornado_settings = {"static_handler_class": CompressedFiles}
