"""From the files of a target to the objects that a cluster would get: plain folders, Kustomize, Helm."""
