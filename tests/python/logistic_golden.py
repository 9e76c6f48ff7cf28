"""The fits in tests/golden/baselines are what scikit-learn makes today."""
import pathlib
import subprocess
import sys

try:
    import numpy
    import sklearn
except ImportError as missing:
    print(f"skipped: {missing.name} is not installed for {sys.executable}")
    sys.exit(77)

script = pathlib.Path(__file__).parents[1] / "golden" / "make_logistic_golden.py"
print(f"scikit-learn {sklearn.__version__}, numpy {numpy.__version__}")
sys.exit(subprocess.call([sys.executable, script, "check"]))
