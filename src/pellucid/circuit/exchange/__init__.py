"""Circuits as other tools' files, and other tools' files as circuits.

eap_ig.py       EAP-IG's graphs, written and read
neuronpedia.py  attribution graphs as Neuronpedia and circuit-tracer show them, written
graphml.py      GraphML, for networkx, Gephi, yEd and Cytoscape, written
dot.py          DOT, for Graphviz, written
"""
