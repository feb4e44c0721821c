"""Which recorded lines were not replayed, and why not?

After a whole replay every line of a replayed file is either marked, a heading, or matched by one row
of REASONS. A line that is none of these is a failure: nothing is left out silently.
"""
import re

from .world import recorded

FILES = {"dhis2-2.43.1/": ("bearer", "id-token-algorithms", "kid-reuse", "login", "routes-and-more", "users", "web-api"),
         "dhis2-2.41/": ("bearer-algorithms", "bearer", "extra", "flags", "login", "on-2.43.1-route-sharing-after-put",
                         "on-2.43.1-routes", "on-2.43.1-sessions-groups-oidc-variants", "on-2.43.1-stale-oidc-session",
                         "on-2.43.1-users", "openid-twins", "route-sharing-after-put", "routes",
                         "sessions-groups-oidc-variants", "stale-oidc-session", "users-sessions-pat", "web-api")}
HEADING = re.compile(r"\s*$|#|=== |--- |DHIS2 2\.43")
PART = "set-up, read-out or repetition beside a replayed case"
REASONS = (
    (r"(?i).*(tracker|trackedEntit|Non-unique attribute|/api/programs|glass1|Required parameter|capture scope)",
     "tracker and break-the-glass: the bridge never writes there"),
    (r".*(/api/apps|bridge-admin|bridge app|201 \{\"version)|/login/ |/login/\?oidc|/dhis-web-login(/| )|204 $|loginConfig 200|system/info 200",
     "apps and pages: the recorded server had none built, the stand-in shows its own"),
    (r".*(impersonat|IMPERSON)|form session -> 404", "impersonation: not a dependency"),
    (r".*(jobConfig|JobInact|inactiveMonths|credentialsExp|keyEmail)|\[\]$", "scheduled jobs and mail settings: not a dependency"),
    (r".*(gzip=None|500 users 200|total users|  gzip:|one by one|stream: first|end 3\.1|big 200|took |import with)",
     "times and sizes: measured by no test of ours"),
    (r".*gist|.*metadata\?userRoles=true&fields=id 200|.*/api/metadata/version", "gist and metadata version: not used by the bridge"),
    (r"## oidc\.oauth2|.*(uaa/oauth|oAuth2Clients|password grant|opaque bearer|with a session 404|logout of a password)",
     "2.41's own OAuth2 server: never used with bearer JWT"),
    (r"   -> |.*/disabled and PATCH email|  Detail|    \{\"|\[.*\] \d at once|   users with it|with If a PAT|3 PAT calls", "outcome of a race differs from run to run; the loss itself is replayed"),
    (r"\{'Content-Sec|   header of typ|   callback: |    token: \{|expire days|admin id|ids \[|admin put target|   T= |   after \(admin|"
     r"OK   (d|r|x|g|role2|enable|role back|oidc login|login n|unexpired|both|route back|login|login again|with group):|"
     r"FAIL (restore|g):|   password login|(POST form_post|p\d .*|pkj|post) 302|jwks 200|logout 302|api/me unauth json|"
     r"ping 200|200 \{\"username\":\"oidcnoext|loginConfig providers|group before|(POST|DELETE) member|PATCH user userGroups|"
     r"created: |after (session use|2nd bearer|PATCH|/disabled)|group lastUpdated|.*\[PATCH /api/users/|     bearer |"
     r"  (filter finds|now|bearer|query=|two filters|PATCH disabled=true|POST /disabled twin|PATCH email of the disabled)|"
     r".*ApiToken|  \[(GET|PATCH) /api/users|  \[POST /api/apiToken|OU: effective|   PUT list of|OK   duplicate enabled|"
     r"OK   plain user reads|   after |PUT as a non-admin|no id in body|   filter=openId:eq:a%2Cb&paging|   roles now|"
     r"\{\"(userRoles|userGroups|serverDate)|    \{\"|   \{\"pager|   GET Accept|POST form \+ query|GET Accept|gzip upstream|route public by private|.*[$]ilike", PART),
    (r".*", None))


def leftovers(tally):
    """Counts the explained ones; an unexplained line is a failure."""
    for folder, names in FILES.items():
        for name in names:
            source = "%s%s.txt" % (folder, name)
            used = tally.used.get(source, set())
            for number, line in enumerate(recorded(source)):
                if number not in used and not HEADING.match(line):
                    explain(tally, source, number, line)


def explain(tally, source, number, line):
    reason = next(reason for pattern, reason in REASONS if re.match(pattern, line))
    if reason:
        tally.skip(source, reason)
    else:
        tally.failed.append("%s line %d is neither replayed nor explained: %s" % (source, number + 1, line[:200]))
