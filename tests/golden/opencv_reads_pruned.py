"""OpenCV's DNN module reads a pruned network that serpette saved, and computes the same heads.

OpenCV 4 reads darknet's files; OpenCV 5 no longer does. By hand:

    SERPETTE_EXPORT=/tmp/pruned unit_granularity "a pruned network is saved and loaded as cfg and weights"
    python opencv_reads_pruned.py /tmp/pruned        # numpy, opencv-python-headless 4

Prints the largest relative error per head; exit status 1 above 1e-4.
"""

import pathlib
import sys

import cv2
import numpy as np

folder = pathlib.Path(sys.argv[1])
if not hasattr(cv2.dnn, "readNetFromDarknet"):
    sys.exit(f"OpenCV should be a 4.x, which reads darknet's files, got {cv2.__version__}")
net = cv2.dnn.readNetFromDarknet(str(folder / "pruned.cfg"), str(folder / "pruned.weights"))
net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
net.setInput(np.fromfile(folder / "image.f32", np.float32).reshape(1, 3, 128, 128))
worst = 0.0
for file in sorted(folder.glob("conv_*.f32")):
    got = net.forward(file.stem)
    expected = np.fromfile(file, np.float32).reshape(got.shape)
    error = np.abs(got - expected).max() / np.abs(expected).max()
    print(f"OpenCV {cv2.__version__}, {file.stem} {got.shape}: relative error {error:.2g}")
    worst = max(worst, error)
sys.exit(0 if worst <= 1e-4 else 1)
