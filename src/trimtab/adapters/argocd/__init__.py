"""Argo CD: does an Application run a commit?"""
