# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Domains of well-known mailbox providers: millions have an address there, and nobody owns one.

Public knowledge (the providers' own help pages).  Whoever claimed one of them could prove nothing,
but might pass for it in the meantime.
"""

from publicsuffixlist import PublicSuffixList

#: Below any public suffix: yahoo.co.jp, gmx.at, hotmail.fr.
_BRANDS = "gmail gmx googlemail hotmail outlook rocketmail yahoo ymail"
_NAMES = """
123mail.org 126.com 139.com 163.com 188.com 189.cn 1und1.de 21cn.com abv.bg aim.com alice.it
aliyun.com aol.co.uk aol.com aol.de aol.fr aol.it arcor.de att.net bell.net bellsouth.net
bigpond.com blueyonder.co.uk bluewin.ch bol.com.br btinternet.com caramail.com centrum.cz
charter.net chello.at chello.nl comcast.net cox.net daum.net docomo.ne.jp duck.com
earthlink.net email.com email.cz email.de ezweb.ne.jp fastmail.com fastmail.fm free.fr
freemail.hu freenet.de frontier.com hanmail.net hey.com hushmail.com i.ua icloud.com
iinet.net.au inbox.com inbox.lv inbox.ru interia.pl juno.com kabelmail.de kakao.com kpnmail.nl
kolabnow.com laposte.net libero.it list.ru live.at live.be live.ca live.cn live.co.uk live.com
live.com.au live.de live.dk live.fr live.ie live.it live.jp live.nl live.no live.se mac.com
mail.be mail.bg mail.com mail.de mail.ee mail.ru mailbox.org mailfence.com me.com msn.com
nate.com naver.com neuf.fr netscape.net netzero.net nifty.com ntlworld.com o2.pl o2online.de
online.de onet.pl onmail.com op.pl optonline.net optusnet.com.au orange.fr passport.com
peoplepc.com planet.nl pm.me posteo.de posteo.net prodigy.net proton.me protonmail.ch
protonmail.com qq.com rambler.ru rediffmail.com riseup.net rogers.com runbox.com sapo.pt
sbcglobal.net seznam.cz sfr.fr shaw.ca simplelogin.com sina.cn sina.com sky.com skynet.be
softbank.ne.jp sohu.com startmail.com sympatico.ca t-online.de talktalk.net telenet.be
telia.com telus.net terra.com.br tin.it tiscali.it tlen.pl tom.com tutamail.com tuta.com
tuta.io tutanota.com tutanota.de uol.com.br ukr.net vera.com.br verizon.net versatel.nl
virgilio.it virginmedia.com vodafone.de voila.fr vp.pl wanadoo.fr web.de windowslive.com
windstream.net wp.pl xs4all.nl xtra.co.nz ya.ru yandex.by yandex.com yandex.kz yandex.ru
yandex.ua yeah.net zgg.de ziggo.nl zoho.com zoho.eu zohomail.com zohomail.eu
"""
_EVERYWHERE, _DOMAINS = frozenset(_BRANDS.split()), frozenset(_NAMES.split())
_SUFFIXES = PublicSuffixList()


def is_mail_provider(name: str) -> bool:
    """Whether a domain (A-label) is a mailbox provider's, or lies below one that is."""
    own = _SUFFIXES.privatesuffix(name) or name
    return own in _DOMAINS or own.partition(".")[0] in _EVERYWHERE
