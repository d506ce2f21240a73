"""The chapters of the report as data: each file gives titles and blocks, the template sets them."""
