"""What an account must allow, as IAM policies: a file for each thing that one may want of Mavis.

`PARTS` says what each is for, `STATEMENTS` why each statement is there; both are told by the guide.
The tests hold the policies against the table of `operations`, and against every call that the kit
makes in an account that is simulated.

What Mavis makes carries the tag ``mavis:intent`` from its first moment, so the policies ask for it
where something is made and where something is ended.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

from mavis_core.errors import NotFound

__all__ = ["PARTS", "STATEMENTS", "text"]

PARTS: Mapping[str, str] = {
    "trust": "The role's trust: who may assume it, with which external id.",
    "base": "What the user may whose key is in the vault: assume the role, and nothing else.",
    "read": "Look. Every environment needs it.",
    "power": "Start, stop and tag machines because somebody asks for it.",
    "take": "Take recovery points, and delete them when they expire.",
    "lock": "Lock recovery points in the cloud itself.",
    "copy": "Copy recovery points to other regions and accounts. Both accounts need it.",
    "restore": "Make volumes and machines from recovery points, beside what is there.",
    "in-place": "Replace the volumes of a machine, and undo that. With `restore`.",
    "verify": "Prove that recovery points restore. With `restore`.",
    "scripts": "Run scripts inside machines: hooks of plans, checks of verifications.",
    "keys": "Use a KMS key of yours, where volumes or copies are encrypted with it.",
    "profiles": "Give restored machines the instance profile that they had.",
}
"""What each policy is for, in the order in which one wants them."""

STATEMENTS: Mapping[str, str] = {
    "OnlyMavisWithItsExternalId": "Nobody assumes the role who does not know the external id, or"
    " does not say for whom.",
    "NameThePerson": "Mavis names the person for whom it acts as the session's source identity.",
    "AssumeTheRole": "The key that Mavis keeps is good for this one role.",
    "Look": "Descriptions, which AWS grants for all resources or for none.",
    "StartAndStop": "Machines that somebody starts and stops.",
    "TagOnRequest": "Tags that somebody sets. None that begins with `mavis:`, so that nothing is"
    " made to look as if Mavis had made it.",
    "TakeFrom": "Machines and volumes are what is taken.",
    "TakeTagged": "A snapshot is made with Mavis's tag, or not at all.",
    "TagWhatIsTaken": "Tags at the moment of making, and not later.",
    "DeleteOurSnapshots": "Only snapshots with Mavis's tag are deleted.",
    "LockOurSnapshots": "Only snapshots with Mavis's tag are locked and unlocked. A compliance lock"
    " cannot be taken away by anybody.",
    "CopyFrom": "The source of a copy. It may be of the other account, whose tags are not seen.",
    "CopyTagged": "The copy is made with Mavis's tag, or not at all.",
    "TagTheCopy": "Tags at the moment of making.",
    "ShareOurSnapshots": "Only snapshots with Mavis's tag are shared with the account of a copy,"
    " for as long as the copy takes.",
    "RestoreFrom": "Snapshots from which volumes and images are made.",
    "MakeTagged": "A volume is made with Mavis's tag, or not at all.",
    "RegisterTagged": "So is the image that a launch needs.",
    "LaunchTagged": "So is the machine.",
    "LaunchOurImages": "Machines are launched from images that Mavis has registered only.",
    "LaunchInto": "What a launched machine is connected with.",
    "TagWhatIsRestored": "Tags at the moment of making.",
    "Attach": "New volumes are attached to a machine that is there.",
    "DetachFrom": "Machines from which Mavis's volumes are detached.",
    "DetachOurVolumes": "Only volumes with Mavis's tag.",
    "RemoveOurs": "What a restore has made and nobody wants is removed: only with Mavis's tag.",
    "StartAndStopForARestore": "The machine stands still while its volumes are replaced.",
    "DetachAny": "The old volumes are not of Mavis's making.",
    "MarkReplacedVolumes": "The old volumes are marked for the undo, with these two tags only.",
    "DeleteReplacedVolumes": "Volumes with that mark are deleted when the undo has run out.",
    "ReadOurBlocks": "The bytes of snapshots with Mavis's tag are compared with their checksums.",
    "IsolateIn": "The network in which a proof is made.",
    "IsolateTagged": "The security group of a proof is made with Mavis's tag, or not at all.",
    "TagTheIsolation": "Tags at the moment of making.",
    "CloseAndRemoveOurGroups": "Its rules are taken away, and then itself: only with Mavis's tag.",
    "SeeAgents": "Which machines have an agent that answers, and what a script has said. AWS grants"
    " both for all resources or for none.",
    "RunShellScripts": "One document of AWS's own, on machines. Whoever may do this is root there.",
    "UseTheKey": "Volumes and snapshots that are encrypted with the key are read and made.",
    "LetVolumesUseTheKey": "EC2 may use the key for a volume that is attached; nobody else.",
    "PassInstanceProfiles": "A restored machine gets the role that it had. Name the roles: whoever"
    " may pass a role may have what it has.",
}
"""Why each statement is there, by its ``Sid``."""


def text(part: str) -> str:
    """Return a policy as the JSON of its file.

    Raises
    ------
    NotFound
        There is no such part.
    """
    if part not in PARTS:
        raise NotFound(
            f"The AWS kit has no policy {part[:40]!r}",
            mend=f"Choose of {', '.join(PARTS)}.",
        )
    return resources.files(__name__).joinpath(f"{part}.json").read_text(encoding="utf-8")
