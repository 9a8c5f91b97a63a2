"""Results of scikit-learn for test/eval/.

    pip install scikit-learn==1.9.1 numpy==2.4.6
    python test/oracle/eval.py          # writes test/golden/logistic-regression.json

Features are unnormalized embeddings of made-up classes. `fits`: LogisticRegression(C=0.316), the linear probe of OpenAI's README, run
to the minimum (tol 1e-12) instead of to scikit-learn's default tolerance, so that the solution does not depend on the path.
"""
import json
import pathlib

import numpy
import sklearn
from sklearn.linear_model import LogisticRegression

OUT = pathlib.Path(__file__).parent.parent / "golden" / "logistic-regression.json"
random = numpy.random.default_rng(17)


def fit(classes, width, each, spread):
    centers = random.normal(size=(classes, width))
    y = numpy.repeat(numpy.arange(classes), each)
    x = numpy.round(centers[y] + spread * random.normal(size=(len(y), width)), 4)
    test = numpy.round(centers.repeat(4, axis=0) + spread * random.normal(size=(4 * classes, width)), 4)
    model = LogisticRegression(C=0.316, tol=1e-12, max_iter=100_000).fit(x, y)
    weights, intercepts = model.coef_, model.intercept_
    if classes == 2:  # one vector, the difference of the two
        weights, intercepts = weights[0], intercepts[0]
    return {
        "classes": classes,
        "x": x.tolist(),
        "y": y.tolist(),
        "weights": weights.tolist(),
        "intercepts": numpy.asarray(intercepts).tolist(),
        "test": test.tolist(),
        "predicted": model.predict(test).tolist(),
        "probabilities": model.predict_proba(test).tolist(),
    }


fits = [fit(3, 8, 20, 1.5), fit(2, 6, 15, 1.0), fit(7, 12, 6, 2.5)]
versions = {"scikit-learn": sklearn.__version__, "numpy": numpy.__version__}
OUT.write_text(json.dumps({"versions": versions, "C": 0.316, "fits": fits}) + "\n")
