"""The tab key completes in a real shell, and the script is what it loads."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fedmotion.cli.main import command as fedmotion


@pytest.mark.skipif(shutil.which("bash") is None, reason="the shell itself completes here")
def test_bash_completes_commands_and_options_of_one() -> None:
    script = """
eval "$(fedmotion completion bash)"
complete_line() {
    COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=(); _fedmotion_completion fedmotion
}
complete_line "fedmotion rec"; echo "${COMPREPLY[@]}"
complete_line "fedmotion record --count"; echo "${COMPREPLY[@]}"
"""
    said = subprocess.run(
        ["bash", "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        timeout=30,
    ).stdout.splitlines()
    assert said == ["record recordings recognise", "--countdown"]


@pytest.mark.parametrize(("shell", "word"), [("zsh", "#compdef fedmotion"), ("fish", "complete --no-files")])
def test_other_shells_get_their_script(shell: str, word: str) -> None:
    result = CliRunner().invoke(fedmotion, ["completion", shell])
    assert result.exit_code == 0
    assert word in result.stdout
