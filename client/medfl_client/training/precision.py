"""In which precision a network's products are taken."""

import torch

from medfl_common.plan.training import Training


def product_type(settings: Training, device: torch.device) -> torch.dtype:
    """Choose the type of a network's products; weights, losses and sums stay float32.

    `auto`: bfloat16 where the device multiplies it in hardware, float16 on GPUs that have only
    that, else float32. Micikevicius et al.: Mixed Precision Training. ICLR 2018.
    """
    if settings.precision != "auto":
        return torch.float32 if settings.precision == "float32" else torch.bfloat16
    if device.type == "cuda":
        is_new = torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if is_new else torch.float16
    has_it = device.type == "cpu" and _cpu_has_bfloat16()
    return torch.bfloat16 if has_it else torch.float32


def _cpu_has_bfloat16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported())
