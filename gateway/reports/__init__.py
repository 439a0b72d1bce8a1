"""Reports for people: the weekly figures for the joint committee (Art 17). Pure: values in, text out."""
