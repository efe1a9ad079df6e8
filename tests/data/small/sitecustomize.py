"""On the path of a process and of those that it starts: crops are of 24 x 24 x 24 voxels there."""

from clinica_t1nce.files import nifti

nifti.CROP_SHAPE = (24, 24, 24)
