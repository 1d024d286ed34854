"""How a process that trains is set up, and what it runs on.

One thread per process: two threads of one model on two busy cores are slower than one (measured), and one thread makes
sums come out the same every time.
"""

import ctypes
import os
import platform
import sys
from pathlib import Path

#: read by XLA when jax is first imported, hence set before
ONE_THREAD = {"NPROC": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
ONE_THREAD_XLA = "--xla_cpu_multi_thread_eigen=false"
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of mallopt(3)


def prepare(cache: Path) -> None:
    """Hold this process to one thread (before jax is first imported) and keep compiled programs under `cache`."""
    if "jax" not in sys.modules:
        os.environ.update(ONE_THREAD)
        if ONE_THREAD_XLA not in os.environ.get("XLA_FLAGS", ""):
            os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {ONE_THREAD_XLA}".strip()
        _keep_memory()
    import jax

    jax.config.update("jax_compilation_cache_dir", str(cache / "programs"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _keep_memory() -> None:
    """What one call of a program frees stays for the next one: else every step asks the kernel for its pages again,
    a tenth of its time at 100k parameters. Where the C library has no such choice (macOS, musl), all stays as it is."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def threads() -> int:
    """How many threads a program of this process may use."""
    one = os.environ.get("NPROC") == "1" and ONE_THREAD_XLA in os.environ.get("XLA_FLAGS", "")
    return 1 if one else len(os.sched_getaffinity(0))


def hardware() -> dict[str, str]:
    """The device that jax uses, and the machine."""
    import jax

    device = jax.devices()[0]
    return {"platform": device.platform, "device": device.device_kind, "machine": platform.machine()}
