"""Translate contrast-enhanced T1-weighted brain MRI (T1ce) into non-contrast images (T1nce).

The method is that of Bottani et al., BMC Medical Imaging 2024, 24:67,
https://doi.org/10.1186/s12880-024-01242-3.
"""

__version__ = "0.1.0"
