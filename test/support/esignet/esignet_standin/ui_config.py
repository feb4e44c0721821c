"""The `configs` member of oauth-details: what eSignet tells its own login page. Shape only."""


def ui_config(issuer):
    return {
        "wallet.qr-code-buffer-in-secs": 10,
        "wallet.config": [{
            "wallet.name": "walletName", "wallet.logo-url": "/images/qr_code.png",
            "wallet.download-uri": "#",
            "wallet.deep-link-uri": "io.mosip.residentapp.inji://wla-auth?linkCode=LINK_CODE&linkExpireDateTime=LINK_EXPIRE_DT",
            "wallet.footer": True,
        }],
        "otp.length": 6, "password.regex": "^.{8,20}$", "captcha.sitekey": "test-site-key",
        "captcha.enable": "", "password.max-length": 20, "auth.factor.kbi.field-details": None,
        "issuer": issuer,
        "sbi.capture.score.finger": 70, "sbi.timeout.CAPTURE": 30, "send.otp.channels": "email,phone",
        "linked-transaction-expire-in-secs": 240, "username.prefix": "", "sbi.port.range": "4501-4600",
        "consent.screen.timeout-in-secs": 120, "sbi.capture.count.finger": 1, "sbi.capture.score.face": 70,
        "consent.screen.timeout-buffer-in-secs": 5, "username.regex": ".*", "sbi.capture.count.face": 1,
        "username.input-type": "text", "auth.factor.kbi.individual-id-field": "",
        "preauth-screen-timeout-in-secs": 300, "username.postfix": "",
        "login-id.options": [{"id": "vid", "svg": "vid_icon", "prefixes": "", "postfix": "",
                              "maxLength": 16, "regex": ".*"}],
        "sbi.bio.subtypes.iris": "UNKNOWN",
        "signup.config": {"signup.banner": True, "signup.url": "http://localhost:8089/signup"},
        "sbi.timeout.DINFO": 30, "sbi.capture.count.iris": 1, "sbi.bio.subtypes.finger": "UNKNOWN",
        "error.banner.close-timer": 10, "sbi.capture.score.iris": 70, "resend.otp.delay.secs": 180,
        "username.max-length": 16,
        "forgot-password.config": {"forgot-password": True,
                                   "forgot-password.url": "http://localhost:8089/reset-password"},
        "sbi.timeout.DISC": 30, "auth.txnid.length": "10", "sbi.env": "Developer",
        "eKYC-steps.config": "http://localhost:8089/identity-verification",
    }
