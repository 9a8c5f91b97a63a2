"""A NumPy scan: for each query, the rows of the k largest products, best first, and all products. Arguments: vectors.npy queries.npy k"""
import json
import sys

import numpy as np

vectors, queries = (np.load(path) for path in sys.argv[1:3])
k = int(sys.argv[3])
scores = queries @ vectors.T
order = np.argsort(-scores, axis=1, kind='stable')[:, :k]
json.dump({'order': order.tolist(), 'scores': scores.astype(float).tolist()}, sys.stdout)
