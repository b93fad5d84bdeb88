"""From the bytes of a page to its terms: decode, parse, find the structures, let the gate judge, fold aliases."""
