"""The dashboards process: Voila's pages, a kernel for each viewer, and nothing else that answers.

It knows neither people nor cookies. The api process opens a *view* for a viewer whom the Hub has
confirmed, and gives its page a *ticket*; a *frame* of that page shows what this process makes for
the ticket. What a publisher has written runs in that frame and in the view's kernel: the frame is
sandboxed, so that its scripts have no hold of the viewer's login, and the kernel lives in
namespaces of its own, where it sees neither this process nor its secrets nor other kernels.
"""
