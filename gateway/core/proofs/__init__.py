"""Proofs judged offline: signatures, receipts and certificates of one message, from an evidence bundle alone.

Pure, like the rest of ``core``: octets and known certificates go in, a report comes out. The content of the
message is never needed, so that a bundle still verifies after retention deleted it.
"""
