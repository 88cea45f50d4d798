"""The device that inference works on."""

import torch

from aape_lightning.errors import DataError, reason

__all__ = ["chosen_device"]


def chosen_device(asked: torch.device | str | None) -> torch.device:
    """Where the work is done: where asked, else on the GPU where there is one.

    Raises:
        DataError: If there is no such device.
    """
    try:
        device = torch.device(asked or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:  # torch built without CUDA asserts
        raise DataError(
            f"No device {str(asked)!r} (--device): {reason(error)}. Legal are cpu, cuda, cuda:0."
        ) from error
    return device
