"""Certificates that the parameters give."""

from __future__ import annotations

from collections.abc import Iterator

from ..model import PreflightCheck
from .base import Check


class Certificates(Check):
    """Reads the certificates of listeners."""

    id = "certificate"
    title = "Certificates of listeners are issued, in the Region of the load balancer"
    reason = "Elastic Load Balancing refuses to create the HTTPS listener."
    source = (
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/"
        "https-listener-certificates.html"
    )

    def run(self) -> Iterator[PreflightCheck]:
        """A result for each certificate."""
        for arn in sorted(set(self._arns())):
            region = arn.split(":")[3]
            if region != self.config.region:
                detail = f"{arn} is in {region}, the load balancer in {self.config.region}"
                yield self.fail(detail, f"request a certificate in {self.config.region}")
                continue
            status = self.aws.certificate(arn)
            if status == "ISSUED":
                yield self.ok(f"{arn} is issued")
            else:
                detail = f"{arn} is {status}" if status else f"{arn} does not exist"
                yield self.fail(detail, "aws acm list-certificates")

    def _arns(self) -> Iterator[str]:
        for listener in self.references.of("AWS::ElasticLoadBalancingV2::Listener"):
            for certificate in listener.properties.get("Certificates") or ():
                arn = certificate.get("CertificateArn")
                text = self.references.text(listener.document, arn)
                if text and text.startswith("arn:"):
                    yield text
