"""The verbs as one click group that imports a verb when it is called, and the one place where errors are told."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from .. import __version__
from ..cli import DONE, INTERRUPTED, OUR_BUG, VERBS, WRONG_REQUEST, help_text, offered
from ..errors import AbnormalError, did_you_mean


class VerbGroup(click.Group):
    """Verbs by name; a verb's module is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in VERBS if offered(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if not offered(cmd_name):
            return None
        return import_module(f"abnormal.verbs.{VERBS[cmd_name].module}").command

    def get_help(self, ctx: click.Context) -> str:
        return help_text()

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if not args[0].startswith("-") and not offered(args[0]):
            names = self.list_commands(ctx)
            raise click.UsageError(f"no verb {args[0]!r}{did_you_mean(args[0], names)}", ctx)
        return super().resolve_command(ctx, args)

    def main(
        self, args: Sequence[str] | None = None, prog_name: str | None = None, complete_var: str | None = None,
        standalone_mode: bool = True, **extra: Any,
    ) -> Any:  # fmt: skip
        """Run and exit with the documented code; every error becomes one message on stderr."""
        if os.environ.get(complete_var or "_ABNORMAL_COMPLETE") or not standalone_mode:
            return super().main(args, prog_name or "abnormal", complete_var, standalone_mode, **extra)
        sys.exit(self._guarded(list(sys.argv[1:] if args is None else args), extra))

    def _guarded(self, args: list[str], extra: dict[str, Any]) -> int:
        try:
            with told_warnings(), self.make_context("abnormal", args, **extra) as ctx:
                code = self.invoke(ctx)
            sys.stdout.flush()
        except click.exceptions.Exit as asked:
            return asked.exit_code
        except (KeyboardInterrupt, click.Abort):
            click.echo("interrupted", err=True)
            return INTERRUPTED
        except BrokenPipeError:
            return _reader_left()
        except click.ClickException as wrong:
            return _wrong_usage(wrong)
        except Exception as error:
            return tell(error)
        return code if isinstance(code, int) else DONE


def _reader_left() -> int:
    """Whoever read our output has had enough: nothing to say, and nothing more to flush."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE


def _wrong_usage(wrong: click.ClickException) -> int:
    ctx = getattr(wrong, "ctx", None)
    if ctx is not None and not wrong.format_message().strip():
        click.echo(ctx.get_help(), err=True)
        return WRONG_REQUEST
    say_error(wrong.format_message(), f"{ctx.command_path} --help" if ctx is not None else "")
    return WRONG_REQUEST


def tell(error: Exception) -> int:
    """Say what went wrong and give the exit code: one message for what a user can mend, a traceback for our bugs."""
    if isinstance(error, AbnormalError) and error.exit_code != OUR_BUG:
        say_error(*message_and_tip(str(error)))
        return error.exit_code
    if isinstance(error, OSError) and _is_users(error.filename):
        say_error(f"{error.filename}: {error.strerror}")
        return WRONG_REQUEST
    import platform
    import traceback

    click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    about = f"abnormal {__version__}, Python {platform.python_version()}, {platform.system()}"
    say_error(f"{type(error).__name__}: this is our bug ({about})", "please report it with the lines above")
    return OUR_BUG


def _is_users(filename: object) -> bool:
    """Whether a file the system refuses is the user's, not one of this package."""
    package = Path(__file__).resolve().parent.parent
    return isinstance(filename, str | os.PathLike) and not Path(filename).resolve().is_relative_to(package)


# ------------------------------------------------------------------------------------------------ on stderr


def colour_wanted(stream: Any) -> bool:
    """Colour only on a terminal that is not told otherwise (NO_COLOR, TERM=dumb)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not plain and hasattr(stream, "isatty") and stream.isatty()


def say_error(message: str, tip: str = "") -> None:
    """`error: ...` and, where there is one, `tip: ...` on stderr."""
    say("error:", message, "red")
    if tip:
        say("tip:", tip, "cyan")


def say(label: str, message: str, colour: str) -> None:
    """One labelled message on stderr."""
    shown = click.style(label, fg=colour, bold=True) if colour_wanted(sys.stderr) else label
    click.echo(f"{shown} {message}", err=True, color=colour_wanted(sys.stderr))


def message_and_tip(text: str) -> tuple[str, str]:
    """An error's text cut before what to type next, where it says that.

    Examples
    --------
    >>> message_and_tip("no prices for 0005.HK in the store; type: abnormal fetch 0005.HK")
    ('no prices for 0005.HK in the store', 'abnormal fetch 0005.HK')
    """
    for mark in ("; type: ", " If it is right, type: "):
        message, found, tip = text.rpartition(mark)
        if found and "\n" not in tip:
            return message.rstrip(".;"), tip
    return text, ""


@contextmanager
def told_warnings() -> Iterator[None]:
    """Our own warnings as one line each, once; those of other packages not at all."""
    told: set[str] = set()

    def show(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
        text = " ".join(str(message).split())
        ctx = click.get_current_context(silent=True)
        hushed = ctx is not None and bool(ctx.params.get("quiet"))
        if category.__module__.startswith("abnormal.") and text not in told and not hushed:
            told.add(text)
            say("warning:", text, "yellow")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield


def _version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(f"abnormal {__version__}")
        ctx.exit()


group = VerbGroup(
    "abnormal",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[click.Option(["--version"], is_flag=True, expose_value=False, is_eager=True, callback=_version)],
    no_args_is_help=True,
)
