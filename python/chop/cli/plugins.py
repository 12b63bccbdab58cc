"""``--import``: a user's own file or module, run before any name is looked up."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from chop.registry import did_you_mean
from chop.tools.errors import ConfigError


def import_plugins(names: Iterable[str], folder: Path | None = None) -> list[ModuleType]:
    """Import each file (``FILE.py``) or module once, in the order given.

    Args:
        names: files and module names.
        folder: where relative files are looked for first (the config file's folder); then the working folder.

    Raises:
        ConfigError: there is no such file or module, or it failed while it ran.

    >>> import_plugins(["json"])[0].__name__
    'json'
    >>> import_plugins(["nowhere.py"])
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: import: no file 'nowhere.py'
    """
    return [_import_one(name, folder) for name in names]


def import_named(names: Iterable[str], model: str | None, config: str | None, typed: Iterable[str]) -> None:
    """Import what ``--import`` names and the model ``FILE.py:NAME``; relative to the file that says so.

    Args:
        names, model: the options ``imports`` and ``model``.
        config, typed: path of the config file, and the options that were typed instead.
    """
    folder = Path(config).parent if config is not None else None
    import_plugins(names, None if "imports" in typed else folder)
    if model is not None and ".py:" in model:
        register_from_file(model, None if "model" in typed else folder)


def register_from_file(model: str, folder: Path | None = None) -> None:
    """Register the class or function ``FILE.py:NAME`` under just that name.

    Raises:
        ConfigError: no such file, nothing of that name in it, or something that makes no model.
    """
    from chop.models.registration import register_model

    file, _, name = model.rpartition(":")
    (module,) = import_plugins([file], folder)
    if not hasattr(module, name):
        own = [
            key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__
        ]
        listed = f"; it has: {', '.join(own)}" if own else ""
        raise ConfigError(f"model: {file} has no {name!r}{did_you_mean(name, own)}{listed}")
    register_model(model, replace=True)(getattr(module, name))


def _import_one(name: str, folder: Path | None) -> ModuleType:
    is_file = name.endswith(".py") or "/" in name or "\\" in name
    try:
        return _import_file(_find(name, folder)) if is_file else _import_module(name)
    except (KeyboardInterrupt, ConfigError):
        raise
    except BaseException as error:  # user code may also call exit()
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"import: {name!r} failed{_line(error)}: {type(error).__name__}: {reason}"
        ) from error


def _find(name: str, folder: Path | None) -> Path:
    for base in (folder, Path.cwd()):
        if base is not None and "\0" not in name and (base / name).is_file():
            return (base / name).resolve()
    near = did_you_mean(Path(name).name, (p.name for p in (folder or Path.cwd()).glob("*.py")))
    raise ConfigError(f"import: no file {name!r}{near}")


def _import_file(path: Path) -> ModuleType:
    # The name carries the path: a user's random.py must not hide the standard one, nor run twice.
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    module_name = f"chop_import_{path.stem}_{digest}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"import: {str(path)!r} is not a Python file")
    _search_also(str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


def _import_module(name: str) -> ModuleType:
    _search_also(str(Path.cwd()))
    if not all(part.isidentifier() for part in name.split(".")):
        raise ConfigError(f"import: {name!r} is neither a file that ends in .py nor the name of a module")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigError(f"import: no module {name!r} (a file ends in .py)") from None
        raise


def _search_also(folder: str) -> None:
    # At the end: modules beside the user's file are found, and none of ours is hidden.
    if folder not in sys.path:
        sys.path.append(folder)


def _line(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_name != "<module>":
        trace = trace.tb_next
    return f" in line {trace.tb_lineno}" if trace is not None else ""
