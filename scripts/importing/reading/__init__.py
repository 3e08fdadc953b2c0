"""Files of answers as sheets: unpacked, decoded and cut into named columns, one row at a time."""
