"""The pages of the api process, made by the server; without scripts they lack only what is live.

`handlers` is what they have in common, `templates` makes HTML, `forms` says who may send a form.
Each other module is one page: it asks the services of the core and shows what they say.
"""
