"""GPUs: peak FLOP/s, memory and price of each kind.

Peak dense bf16 FLOP/s, without sparsity, and memory are from NVIDIA's data sheets: A100 80 GB (2021), H100 SXM and H200
SXM (2023, 2024), HGX B200 per GPU (2024). Prices are assumptions: an hour on demand, round figures for the end of 2025.
"""

PEAK_FLOPS = {"A100": 312e12, "H100": 989e12, "H200": 989e12, "B200": 2250e12}
MEMORY_GB = {"A100": 80.0, "H100": 80.0, "H200": 141.0, "B200": 180.0}
USD_PER_GPU_HOUR = {"A100": 1.8, "H100": 2.5, "H200": 3.2, "B200": 5.0}
#: board power, W, by the same data sheets
WATTS = {"A100": 400.0, "H100": 700.0, "H200": 700.0, "B200": 1000.0}
#: of when prices and data sheets are
AS_OF = "end of 2025"
#: share of the peak that the counted FLOPs take of a GPU-hour of RL, rollouts and waiting included: an assumption
DEFAULT_MFU = 0.3
#: price of a GPU-hour, an assumption
DEFAULT_USD_PER_GPU_HOUR = 2.5
